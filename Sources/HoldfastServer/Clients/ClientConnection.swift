// One client's connection: bytes to requests, requests to groups, replies back in the order of the
// requests. Lives on one reactor.
//
// Every request has a slot in a queue: waiting -> running -> done; the front is written out and
// removed when it is done. On one connection
//
//   reads run beside reads, writes beside writes, each in order within a group;
//   a read waits for the writes before it, and a write for the reads;
//   what the node answers itself, and what spans groups, waits for everything before it.
//
// So a pipeline behaves as if its commands ran one after the other. It must never: buffer more than
// its limits, however the client sends or does not read.

import Commands
import HoldfastWire
import NIOCore
import RaftCore

/// Which of a node's two RESP ports a client came in by.
enum ClientPort: Sendable {
    /// Answers MOVED for what another node leads.
    case cluster
    /// Serves everything.
    case standalone
}

final class ClientConnection {
    struct Slot {
        enum State {
            case waiting
            case running
            case done(ByteBuffer)
        }

        var operation: Operation
        /// As received, to be forwarded.
        var frame: RequestFrame
        var state = State.waiting
        /// The tick at which it arrived: the end of its patience is counted from here.
        var tick: Int
    }

    let id: UInt64
    let port: ClientPort
    unowned let reactor: Reactor
    let channel: any Channel
    var parser: RequestParser
    var writer: ReplyWriter
    var name: [UInt8] = []

    var slots = CircularBuffer<Slot>()
    /// The sequence number of `slots.first`.
    var front: UInt64 = 0
    /// Slots from the front that are not waiting any more.
    private var started = 0
    /// The bytes of all replies in `slots`.
    private var doneBytes = 0
    /// The bytes of all frames in `slots`.
    private var heldBytes = 0
    private var runningReads = 0
    private var runningWrites = 0
    /// The parts of the request in front, where several groups answer it.
    var join: Join?
    /// Requests that found no leader where they were sent; tried again at the next tick.
    var retries: [PartReference] = []

    var isClosing = false
    private var isFlushPending = false
    private var isResumePending = false
    private var isReadWanted = true
    private(set) var served = 0

    init(id: UInt64, port: ClientPort, reactor: Reactor, channel: any Channel) {
        self.id = id
        self.port = port
        self.reactor = reactor
        self.channel = channel
        parser = RequestParser(
            limits: RequestLimits(
                argumentBytesMax: reactor.node.configuration.limits.valueBytesMax + 1_024
            )
        )
        writer = ReplyWriter(buffer: ByteBuffer(), version: .two)
    }

    // MARK: In

    func received(_ bytes: inout ByteBuffer) {
        parser.feed(&bytes)
        resume()
    }

    /// Reads and starts what it may; called again whenever room was made.
    func resume() {
        isResumePending = false
        let last = front + UInt64(slots.count)
        readRequests()
        startRequests()
        // What the node answers itself made room at once, and no reply will come to say so. The
        // rest is read in the next turn, so that others have theirs before.
        let hasRead = front + UInt64(slots.count) > last
        if hasRead, hasRoom, parser.bufferedBytes > 0 { resumeLater() }
        if isReadWanted, !isClosing, hasRoom, channel.isWritable {
            isReadWanted = false
            channel.read()
        }
    }

    /// The socket has nothing more for now: read again when there is room.
    func readComplete() {
        isReadWanted = true
        resume()
    }

    /// Whether another request may wait here.
    private var hasRoom: Bool {
        slots.count < reactor.node.configuration.limits.requestsPerClientMax
            && heldBytes < Limits.heldBytesMax
    }

    private func readRequests() {
        while hasRoom, !isClosing, let parsed = parser.next() {
            switch parsed {
            case .request(let frame): take(frame)
            case .tooLarge(let text): append(.failed(text))
            case .protocolError(let text):
                append(.failed(text))
                closeWhenDone()
            }
        }
    }

    private enum Read {
        case request(Operation, RequestFrame)
        case failed(String)
    }

    private func take(_ frame: RequestFrame) {
        do {
            append(.request(try reactor.reader.read(frame), frame))
        } catch {
            append(.failed(error.text))
        }
    }

    private func append(_ read: Read) {
        served += 1
        switch read {
        case .request(let operation, let frame):
            hold(Slot(operation: operation, frame: frame, tick: reactor.ticks))
        case .failed(let text):
            // Answered in its turn, as any other request.
            var writer = ReplyWriter(buffer: ByteBuffer(), version: self.writer.version)
            writer.error(text)
            var slot = Slot(
                operation: .local(.ping(nil)),
                frame: RequestFrame(arguments: [[]]),
                tick: reactor.ticks
            )
            slot.state = .done(writer.buffer)
            doneBytes += writer.buffer.readableBytes
            hold(slot)
            popDone()
        }
    }

    private func hold(_ slot: Slot) {
        heldBytes += slot.frame.bytes.readableBytes
        slots.append(slot)
    }

    // MARK: Starting

    private func startRequests() {
        while started < slots.count, !isHeldUp {
            if case .done = slots[offset: started].state {
                started += 1
                popDone()
                continue
            }
            guard start(slots[offset: started]) else { return }
        }
    }

    /// A client that does not read its replies gets no new ones made.
    private var isHeldUp: Bool {
        runningReads + runningWrites >= Limits.runningMax || !channel.isWritable
            || doneBytes + writer.buffer.readableBytes >= Limits.unsentReplyBytesMax
    }

    /// Starts the next request; false where it must wait for those before it.
    private func start(_ slot: Slot) -> Bool {
        let sequence = front + UInt64(started)
        switch slot.operation {
        case .keyed(let operation):
            guard operation.isWrite ? runningReads == 0 : runningWrites == 0 else { return false }
            // A write that is to be tried again must not be overtaken by a later one.
            guard !operation.isWrite || retries.isEmpty else { return false }
            if operation.isWrite { runningWrites += 1 } else { runningReads += 1 }
            beginRunning()
            submit(PartReference(sequence: sequence, part: 0))
        case .local(let command):
            guard started == 0 else { return false }
            beginRunning()
            if begin(command) {
                runningReads += 1
                return true
            }
            answer(command)
            finishFront()
        case .spread(let operation):
            guard started == 0 else { return false }
            beginRunning()
            runningReads += 1
            start(operation, slot.frame)
        }
        return true
    }

    /// Begins what the node cannot answer at once; false where there is nothing to wait for.
    private func begin(_ command: LocalCommand) -> Bool {
        switch command {
        case .members(let members): begin(members)
        case .backup(let backup): begin(backup)
        default: false
        }
    }

    /// Where the reply to the request in front belongs.
    var targetOfFront: ReplyTarget {
        ReplyTarget(
            reactor: reactor.index,
            connection: id,
            sequence: front,
            part: 0,
            version: writer.version
        )
    }

    private func beginRunning() {
        slots[offset: started].state = .running
        started += 1
    }

    /// Sends one part of a running request to its group.
    func submit(_ reference: PartReference) {
        guard let part = part(reference) else { return }
        let target = ReplyTarget(
            reactor: reactor.index,
            connection: id,
            sequence: reference.sequence,
            part: reference.part,
            version: join == nil ? writer.version : .three
        )
        let group = HashSlot.group(
            of: part.slot,
            groupCount: reactor.node.configuration.groupCount
        )
        reactor.submit(
            GroupRequest(
                group: GroupID(UInt16(group)),
                slot: part.slot,
                action: part.action,
                target: target
            )
        )
    }

    /// The slot of a running request; nil where it is over.
    private func place(_ sequence: UInt64) -> Int? {
        guard sequence >= front, sequence - front < UInt64(slots.count) else { return nil }
        return Int(sequence - front)
    }

    func part(_ reference: PartReference) -> Part? {
        guard let place = place(reference.sequence) else { return nil }
        let slot = slots[offset: place]
        guard case .running = slot.state else { return nil }
        switch slot.operation {
        case .keyed(let operation):
            return Part(slot: operation.slot, action: operation.action, frame: slot.frame)
        case .spread:
            guard let join, reference.part < join.parts.count else { return nil }
            return join.parts[reference.part]
        case .local:
            return nil
        }
    }

    // MARK: Replies

    /// The reply to a request, or to one part of it, written by `body`. With `validUntil`, only if
    /// the node's clock has not come so far when it is written; otherwise the request runs on.
    @discardableResult
    func complete(
        _ target: ReplyTarget,
        validUntil: Instant? = nil,
        _ body: (inout ReplyWriter) -> Void
    ) -> Completion {
        guard let place = place(target.sequence) else { return .written }
        guard case .running = slots[offset: place].state else { return .written }
        if join != nil, case .spread = slots[offset: place].operation {
            var writer = ReplyWriter(buffer: ByteBuffer(), version: .three)
            body(&writer)
            if Self.isLate(validUntil) { return .late }
            complete(part: target.part, with: writer.buffer)
            return .written
        }
        if place == 0 {
            let start = writer.buffer.writerIndex
            body(&writer)
            if Self.isLate(validUntil) {
                writer.buffer.moveWriterIndex(to: start)
                return .late
            }
            endRunning(slots[offset: place].operation)
            finishFront()
        } else {
            var writer = ReplyWriter(buffer: ByteBuffer(), version: writer.version)
            body(&writer)
            if Self.isLate(validUntil) { return .late }
            endRunning(slots[offset: place].operation)
            doneBytes += writer.buffer.readableBytes
            slots[offset: place].state = .done(writer.buffer)
        }
        resumeLater()
        return .written
    }

    /// Called after the lookup: a lease that is over now may have been over then.
    private static func isLate(_ validUntil: Instant?) -> Bool {
        guard let validUntil else { return false }
        return MonotonicClock.now() >= validUntil
    }

    private func endRunning(_ operation: Operation) {
        if case .keyed(let keyed) = operation, keyed.isWrite {
            runningWrites -= 1
        } else {
            runningReads -= 1
        }
    }

    /// The join's reply is written: the request in front is over.
    func finishSpread() {
        runningReads -= 1
        finishFront()
        resumeLater()
    }

    /// The request in front has its reply in the output.
    private func finishFront() {
        removeFront()
        started -= 1
        popDone()
        flushLater()
    }

    private func removeFront() {
        heldBytes -= slots.removeFirst().frame.bytes.readableBytes
        front += 1
    }

    /// Writes out the replies that were ready behind the front.
    private func popDone() {
        while let first = slots.first, case .done(let bytes) = first.state {
            writer.append(bytes)
            doneBytes -= bytes.readableBytes
            removeFront()
            // One that was answered before it started was not counted as started.
            if started > 0 { started -= 1 }
            flushLater()
        }
        if isClosing, slots.isEmpty { flushLater() }
    }

    private func flushLater() {
        guard !isFlushPending else { return }
        isFlushPending = true
        reactor.flushAtEnd(self)
    }

    private func resumeLater() {
        guard !isResumePending else { return }
        isResumePending = true
        reactor.resumeAtEnd(self)
    }

    func flush() {
        isFlushPending = false
        if writer.buffer.readableBytes > 0 {
            let bytes = writer.buffer
            writer.buffer = channel.allocator.buffer(capacity: 1_024)
            channel.writeAndFlush(bytes, promise: nil)
            // What was held up by these replies goes on, unless the socket is full and says so.
            if channel.isWritable, started < slots.count { resumeLater() }
        }
        if isClosing, slots.isEmpty { channel.close(promise: nil) }
    }

    // MARK: The end

    /// Answers what has come in, then closes.
    func closeWhenDone() {
        isClosing = true
        flushLater()
    }

    /// QUIT, which is in front: what was sent after it is not looked at.
    func quit() {
        slots.removeLast(slots.count - 1)
        closeWhenDone()
    }

    func close() { channel.close(promise: nil) }

    /// Called each tick: what found no leader is tried again, until its patience ends.
    func tick() {
        guard !retries.isEmpty else { return }
        let references = retries
        retries.removeAll()
        for reference in references { submit(reference) }
        resumeLater()
    }
}

extension ReplyWriter {
    /// A reply that is in RESP already.
    mutating func append(_ bytes: ByteBuffer) {
        buffer.writeImmutableBuffer(bytes)
    }
}
