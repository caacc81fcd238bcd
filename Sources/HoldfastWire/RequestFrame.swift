// One command as a client sent it: the bytes, and where its arguments lie in them. Nothing is
// copied until somebody wants an argument for keeps, and forwarding sends the bytes as they came.
//
// It must never show its arguments by being printed: session ids are among them.

package import NIOCore

/// One command: a window on the received bytes, and the places of its arguments.
package struct RequestFrame: Sendable {
    /// Where an argument lies, counted from the reader index of the bytes.
    struct Place: Sendable {
        let start: UInt32
        let count: UInt32

        /// Both are within one request, whose limit is below 2 GiB.
        init(start: Int, count: Int) {
            self.start = UInt32(start)
            self.count = UInt32(count)
        }

        var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
    }

    /// The request as an array of bulk strings: as received, or an inline command as one.
    package let bytes: ByteBuffer
    private let places: [Place]

    init(bytes: ByteBuffer, places: [Place]) {
        precondition(!places.isEmpty)
        self.bytes = bytes
        self.places = places
    }

    /// A request made of its arguments; at least one.
    package init(arguments: [[UInt8]]) {
        var bytes = ByteBuffer()
        var places: [Place] = []
        places.reserveCapacity(arguments.count)
        bytes.writeRESPLine("*", Int64(arguments.count))
        for argument in arguments {
            bytes.writeRESPBulk(argument)
            let start = bytes.writerIndex - argument.count - 2
            places.append(Place(start: start, count: argument.count))
        }
        self.init(bytes: bytes, places: places)
    }

    /// How many arguments, the command's name included; at least 1.
    package var count: Int { places.count }

    /// How long an argument is.
    package func byteCount(_ index: Int) -> Int { Int(places[index].count) }

    /// Lends the bytes of one argument.
    package func withBytes<Result>(
        _ index: Int,
        _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let range = places[index].range
        return try bytes.withUnsafeReadableBytes { all in
            try body(UnsafeRawBufferPointer(rebasing: all[range]))
        }
    }

    /// A copy of one argument.
    package func bytes(_ index: Int) -> [UInt8] { withBytes(index) { Array($0) } }

    /// One argument as text; what is not UTF-8 is repaired.
    package func string(_ index: Int) -> String {
        withBytes(index) { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether an argument is `word`, which is given in upper case, in any case of ASCII letters.
    package func equals(_ index: Int, _ word: StaticString) -> Bool {
        guard byteCount(index) == word.utf8CodeUnitCount else { return false }
        return withBytes(index) { argument in
            word.withUTF8Buffer { wanted in
                for place in 0..<argument.count {
                    let byte = argument[place]
                    let isSmall = byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
                    guard (isSmall ? byte & 0xdf : byte) == wanted[place] else { return false }
                }
                return true
            }
        }
    }

    /// An argument as a number, read as strictly as Redis does: no spaces, no plus sign, no
    /// leading zeros, 64 signed bits.
    package func integer(_ index: Int) -> Int64? {
        DecimalText.parse(bytes.readableBytesUInt8Span.extracting(places[index].range))
    }
}

extension RequestFrame: CustomStringConvertible, CustomReflectable {
    /// How much it is, never what.
    package var description: String {
        "request of \(count) arguments in \(bytes.readableBytes) bytes"
    }

    /// Nothing inside: `dump` must not show more than `print`.
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }
}
