// The bounds of what a client or a server may send, each with its reason.

/// What a server takes from a client.
package struct RequestLimits: Sendable {
    /// Bytes of one argument: a value of 1 MiB, and what an envelope around it may add.
    package var argumentBytesMax: Int
    /// Arguments of one request, as in Redis. Their places cost 8 bytes each, and only once their
    /// bytes have come.
    package var argumentsMax: Int
    /// Bytes of a line: an inline command or a length, as in Redis.
    package var inlineBytesMax: Int
    /// Bytes of one request with all its arguments: what one connection can make us hold.
    package var requestBytesMax: Int

    /// Limits that are all positive; a request must stay below 2 GiB: its places are 32 bits.
    package init(
        argumentBytesMax: Int = 1024 * 1024 + 1024,
        argumentsMax: Int = 1_048_576,
        inlineBytesMax: Int = 64 * 1024,
        requestBytesMax: Int = 32 * 1024 * 1024
    ) {
        precondition(argumentBytesMax > 0 && argumentsMax > 0 && inlineBytesMax > 0)
        precondition((1...Int(Int32.max)).contains(requestBytesMax))
        self.argumentBytesMax = argumentBytesMax
        self.argumentsMax = argumentsMax
        self.inlineBytesMax = inlineBytesMax
        self.requestBytesMax = requestBytesMax
    }
}

/// What a client takes from a server.
package struct ReplyLimits: Sendable {
    /// Bytes of one string: well above the largest value that a server stores.
    package var stringBytesMax: Int
    /// Elements of one reply, those within aggregates included: a value costs up to some 60 bytes.
    package var elementsMax: Int
    /// Aggregates within aggregates. Redis's own go to about six.
    package var depthMax: Int
    /// Bytes of a line: a status, an error, a number, a length.
    package var lineBytesMax: Int
    /// Bytes of one reply with all its elements.
    package var replyBytesMax: Int

    /// Limits that are all positive.
    package init(
        stringBytesMax: Int = 64 * 1024 * 1024,
        elementsMax: Int = 2_097_152,
        depthMax: Int = 32,
        lineBytesMax: Int = 64 * 1024,
        replyBytesMax: Int = 256 * 1024 * 1024
    ) {
        precondition(stringBytesMax > 0 && elementsMax > 0 && depthMax > 0 && lineBytesMax > 0)
        precondition((1...Int(Int32.max)).contains(replyBytesMax))
        self.stringBytesMax = stringBytesMax
        self.elementsMax = elementsMax
        self.depthMax = depthMax
        self.lineBytesMax = lineBytesMax
        self.replyBytesMax = replyBytesMax
    }
}

/// Bounds that nobody needs to set.
enum WireLimits {
    /// The longest argument that is skipped rather than answered by the end of the connection:
    /// `proto-max-bulk-len` of Redis. Above it nobody means a length.
    static let skippedBytesMax: Int64 = 512 * 1024 * 1024
    /// What is reserved on the word of a count that nothing proves yet: most commands and replies
    /// have no more.
    static let reservedElementsMax = 16
    /// A buffer that holds less than a quarter of its storage, and more than this unused, is
    /// copied to one of its size: many idle connections must not each keep a whole read buffer.
    static let idleBytesMax = 1024
}
