// Requests to bytes: arrays of bulk strings, the only form in which requests are sent.

package import NIOCore

/// Writes requests.
package enum RequestEncoder {
    /// Appends a request of these arguments.
    package static func encode(_ arguments: [[UInt8]], into buffer: inout ByteBuffer) {
        buffer.writeRESPLine("*", Int64(arguments.count))
        for argument in arguments { buffer.writeRESPBulk(argument) }
    }

    /// Appends a request of these arguments.
    package static func encode(_ arguments: [String], into buffer: inout ByteBuffer) {
        buffer.writeRESPLine("*", Int64(arguments.count))
        for argument in arguments { buffer.writeRESPBulk(argument.utf8) }
    }

    /// Appends a request whose arguments are the readable bytes of these buffers.
    package static func encode(_ arguments: [ByteBuffer], into buffer: inout ByteBuffer) {
        buffer.writeRESPLine("*", Int64(arguments.count))
        for argument in arguments {
            buffer.writeRESPLine("$", Int64(argument.readableBytes))
            buffer.writeImmutableBuffer(argument)
            buffer.writeLineEnd()
        }
    }
}
