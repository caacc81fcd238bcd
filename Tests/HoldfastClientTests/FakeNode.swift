// A server of a few lines: it greets, and answers each request as the test's script says. It
// listens on a port of the kernel's choosing and remembers what it was asked.

import HoldfastClient
import HoldfastWire
import NIOCore
import NIOPosix

/// What a script does with a request.
enum FakeAnswer: Sendable {
    case reply(RESPValue)
    /// Bytes as they are, whatever they mean.
    case raw(String)
    /// The reply comes when the future does; those behind it on the connection wait.
    case later(EventLoopFuture<RESPValue>)
    case silence
    case close

    static let ok = FakeAnswer.reply(.status("OK"))
    static func error(_ text: String) -> FakeAnswer { .reply(.error(text)) }
    static func bulk(_ text: String) -> FakeAnswer { .reply(.bulk(Array(text.utf8))) }
}

final class FakeNode: Sendable {
    typealias Script = @Sendable (_ words: [String]) -> FakeAnswer

    let address: NodeAddress
    private let listener: any Channel
    private let state: Locked<State>

    private struct State {
        var script: Script
        /// Nothing is answered at all, not even the greeting: as of a stopped process.
        var isStalled = false
        var requests: [[String]] = []
        var channels: [ObjectIdentifier: any Channel] = [:]
        var accepted = 0
        /// Which connections, by number, each name of a request came on.
        var askers: [String: Set<Int>] = [:]
    }

    static func start(_ script: @escaping Script) async throws -> FakeNode {
        let state = Locked(State(script: script))
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                let number = Self.accepted(channel, state)
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        FakeHandler { words in Self.answer(words, on: number, state) }
                    )
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return FakeNode(listener, state)
    }

    private init(_ listener: any Channel, _ state: Locked<State>) {
        self.listener = listener
        self.state = state
        // A bound TCP listener has a port.
        address = NodeAddress(host: "127.0.0.1", port: listener.localAddress!.port!)
    }

    /// Stops listening and closes all connections. May be called again.
    func stop() async throws {
        if listener.isActive { try await listener.close() }
        for channel in state.withLock({ Array($0.channels.values) }) {
            try? await channel.close()
        }
    }

    // MARK: What the test may do

    func rescript(_ script: @escaping Script) { state.withLock { $0.script = script } }
    func stall() { state.withLock { $0.isStalled = true } }

    /// All requests so far, without greetings.
    var requests: [[String]] { state.withLock { $0.requests } }
    var openConnections: Int { state.withLock { $0.channels.count } }
    var acceptedConnections: Int { state.withLock { $0.accepted } }

    /// On how many connections requests of that name came.
    func connections(asking name: String) -> Int {
        state.withLock { $0.askers[name]?.count ?? 0 }
    }

    func requests(_ name: String) -> [[String]] { requests.filter { $0.first == name } }

    /// Returns once so many requests of that name have come.
    func received(_ count: Int, of name: String) async {
        await until { self.requests(name).count >= count }
    }

    // MARK: Inside

    private static func accepted(_ channel: any Channel, _ state: Locked<State>) -> Int {
        let id = ObjectIdentifier(channel)
        channel.closeFuture.whenComplete { _ in state.withLock { $0.channels[id] = nil } }
        return state.withLock { state in
            state.channels[id] = channel
            state.accepted += 1
            return state.accepted
        }
    }

    private static func answer(
        _ words: [String],
        on connection: Int,
        _ state: Locked<State>
    ) -> FakeAnswer {
        let (script, isStalled) = state.withLock { state in
            if words.first != "HELLO" { state.requests.append(words) }
            state.askers[words.first ?? "", default: []].insert(connection)
            return (state.script, state.isStalled)
        }
        if isStalled { return .silence }
        switch words.first {
        case "HELLO": return .reply(.map([RESPPair(key: .status("proto"), value: .integer(3))]))
        case "PING": return .reply(.status("PONG"))
        default: return script(words)
        }
    }
}

/// Bytes to requests, answers to bytes, in order.
private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let answer: @Sendable ([String]) -> FakeAnswer
    private var buffer = ByteBuffer()
    private var last: EventLoopFuture<Void>?

    init(_ answer: @escaping @Sendable ([String]) -> FakeAnswer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        buffer.writeBuffer(&bytes)
        while let words = nextRequest() { take(answer(words), context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func take(_ answer: FakeAnswer, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let before = last ?? context.eventLoop.makeSucceededVoidFuture()
        switch answer {
        case .silence: break
        case .close: last = before.map { channel.close(promise: nil) }
        case .raw(let text):
            last = before.map { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
        case .reply(let value):
            last = before.map { channel.writeAndFlush(Self.encode(value), promise: nil) }
        case .later(let future):
            last = before.and(future.hop(to: context.eventLoop)).map { _, value in
                channel.writeAndFlush(Self.encode(value), promise: nil)
            }
        }
    }

    private static func encode(_ value: RESPValue) -> ByteBuffer {
        var writer = ReplyWriter(buffer: ByteBuffer(), version: .three)
        writer.value(value)
        return writer.buffer
    }

    /// An array of bulk strings, whole; nil until then.
    private func nextRequest() -> [String]? {
        let start = buffer.readerIndex
        guard let count = header(UInt8(ascii: "*")) else { return rewind(start) }
        var words: [String] = []
        for _ in 0..<count {
            guard let length = header(UInt8(ascii: "$")),
                let word = buffer.readString(length: length),
                buffer.readSlice(length: 2) != nil
            else { return rewind(start) }
            words.append(word)
        }
        return words
    }

    private func header(_ kind: UInt8) -> Int? {
        let view = buffer.readableBytesView
        guard view.first == kind, let end = view.firstIndex(of: 10) else { return nil }
        let digits = String(decoding: view[(view.startIndex + 1)..<(end - 1)], as: UTF8.self)
        buffer.moveReaderIndex(to: end + 1)
        return Int(digits)
    }

    private func rewind(_ start: Int) -> [String]? {
        buffer.moveReaderIndex(to: start)
        return nil
    }
}
