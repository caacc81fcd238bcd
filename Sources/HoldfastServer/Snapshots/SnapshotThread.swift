// The thread for what blocks and is not a commit: making snapshots of this node's groups, reading
// them for followers, taking in those of leaders, sealing them anew, and noting new peers. A commit
// never waits for it.
//
//     cuts           one at a time, section by section, a section between other jobs
//     new seals      one file at a time, a section between other jobs, while nothing is cut
//     other jobs     in the order in which they came
//
// In: jobs, from any reactor. Out: what became of them, to the reactor that asked, on its loop. It
// must never say that a snapshot is stored or received before it is durable.

import Bytes
import Glibc
import LogStore
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import RaftCore
import Replica
import SessionMachine

/// Confinement: what is not constant or locked is touched on the pool's single thread only.
final class SnapshotThread: @unchecked Sendable {
    /// A machine on its way to the disk.
    private struct Cutting {
        var job: CutJob
        var writer: SnapshotWriter
        var encoder: SnapshotEncoder
    }

    private struct CutJob: Sendable {
        var group: GroupID
        var cut: SnapshotCut
        var reactor: Reactor
    }

    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var cuts: [CutJob] = []
        var isRunning = false
        var isClosed = false
    }

    private let files: SnapshotFiles
    private let space: DiskSpace
    private let keys: NodeKeys
    private let logger: Logger
    private let pool: NIOThreadPool
    private let state = NIOLockedValueBox(State())

    private var cutting: Cutting?
    private var resealing: SnapshotResealing?
    private var gate = StreamGate(
        limit: Limits.snapshotStreamsMax,
        patience: Limits.snapshotStreamPatience
    )
    private var streams: [GroupID: SnapshotStreams] = [:]
    private var receivers: [GroupID: SnapshotReceiver] = [:]
    /// Whether there may be snapshots that would be sealed with another key now, or what is known
    /// of their keys may be old.
    private var mayBeSealedOtherwise = true
    /// The files that could not be sealed anew: since the last sweep; and those told to the log.
    private var failedSeals: Set<String> = []
    private var complainedOf: Set<String> = []

    init(files: SnapshotFiles, space: DiskSpace, keys: NodeKeys, logger: Logger) {
        self.files = files
        self.space = space
        self.keys = keys
        self.logger = logger
        pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        pool.submit { _ in
            // Linux takes it for the calling thread. A node goes on without.
            _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Limits.snapshotNice)
        }
        noteKeys()
    }

    // MARK: Jobs

    /// Runs `job` on the thread, after those that came before.
    func perform(_ job: @escaping @Sendable () -> Void) { enqueue { $0.jobs.append(job) } }

    /// Stores what a group's replica has cut; says `snapshotStored` or `snapshotAbandoned`.
    func store(_ cut: SnapshotCut, of group: GroupID, for reactor: Reactor) {
        enqueue { $0.cuts.append(CutJob(group: group, cut: cut, reactor: reactor)) }
    }

    /// Reads a piece for a follower; says `fetched`, or nothing where too many streams are open.
    func read(_ fetch: SnapshotFetch, of group: GroupID, for reactor: Reactor) {
        perform { self.doRead(fetch, group, reactor) }
    }

    /// A piece of a snapshot's file, for a backup.
    struct Piece: Sendable {
        /// Bytes of the file.
        var total: UInt64
        /// Tells the file from another one with the same name.
        var tag: UInt32
        var bytes: ArraySlice<UInt8>
    }

    /// Reads a piece for a backup; nil where the file is there no more, another one has its name,
    /// or it ends before. `tell` is called on the thread.
    func read(
        _ wanted: BackupPiece,
        _ tell: @escaping @Sendable (Result<Piece?, LogStoreError>) -> Void
    ) {
        perform {
            do throws(LogStoreError) {
                tell(.success(try self.piece(wanted)))
            } catch {
                self.logger.error(
                    "snapshot could not be read for a backup",
                    metadata: ["group": "\(wanted.group.rawValue)", "reason": "\(error)"]
                )
                tell(.failure(error))
            }
        }
    }

    private func piece(_ wanted: BackupPiece) throws(LogStoreError) -> Piece? {
        guard let reader = try files.reader(of: wanted.group, at: wanted.position),
            wanted.tag.map({ $0 == reader.tag }) ?? true,
            case .bytes(let bytes, _) = try reader.read(
                at: wanted.offset,
                bytesMax: Limits.backupPieceBytes
            )
        else { return nil }
        return Piece(total: reader.byteCount, tag: reader.tag, bytes: bytes)
    }

    /// The node does not lead the group any more: its streams end.
    func closeStreams(of group: GroupID) {
        perform {
            self.streams[group] = nil
            self.gate.closeAll(of: group)
        }
    }

    /// Keeps a piece of a leader's snapshot; after the last says `snapshotReceived` or
    /// `snapshotDamaged`.
    func keep(_ chunk: ReceivedChunk, of group: GroupID, for reactor: Reactor) {
        perform { self.doKeep(chunk, group, reactor) }
    }

    private func enqueue(_ change: (inout State) -> Void) {
        let mustStart = state.withLockedValue { state in
            guard !state.isClosed else { return false }
            change(&state)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { pool.submit { _ in self.work() } }
    }

    /// Ends the thread. What waits is dropped: nobody was told that it was done.
    func close() async throws {
        state.withLockedValue {
            $0.isClosed = true
            $0.jobs = []
            $0.cuts = []
        }
        try await pool.runIfActive {
            self.cutting = nil
            self.resealing = nil
            self.streams = [:]
            self.receivers = [:]
        }
        try await pool.shutdownGracefully()
    }

    private func work() {
        while true {
            let isCutting = cutting != nil
            let isResealing = resealing != nil
            let (jobs, next) = state.withLockedValue { state -> ([@Sendable () -> Void], CutJob?) in
                defer { state.jobs = [] }
                let next = isCutting || state.cuts.isEmpty ? nil : state.cuts.removeFirst()
                let isBusy = isCutting || isResealing
                let hasWork = !state.jobs.isEmpty || next != nil || isBusy
                if !hasWork || state.isClosed { state.isRunning = false }
                return state.isClosed ? ([], nil) : (state.jobs, next)
            }
            for job in jobs { job() }
            if let next {
                begin(next)
            } else if isCutting {
                writeSection()
            } else if isResealing {
                resealSection()
            }
            guard state.withLockedValue({ $0.isRunning }) else { return }
        }
    }

    // MARK: Cuts

    private func begin(_ job: CutJob) {
        guard space.room != .exhausted else { return abandon(job, Self.noRoom) }
        do {
            let writer = try files.writer(of: job.group, at: job.cut.mark)
            cutting = Cutting(
                job: job,
                writer: writer,
                encoder: SnapshotEncoder(job.cut.machine)
            )
        } catch {
            abandonOrEnd(job, error)
        }
    }

    private func writeSection() {
        guard var current = cutting else { return }
        // The only reference, so that the encoder's state is not copied.
        cutting = nil
        guard space.room != .exhausted else { return abandon(current.job, Self.noRoom) }
        do {
            if let section = current.encoder.next() {
                try current.writer.append(section[...])
                cutting = current
                return
            }
            try current.writer.finish()
        } catch {
            return abandonOrEnd(current.job, error)
        }
        // Written with a key that another has replaced meanwhile, perhaps.
        mayBeSealedOtherwise = true
        let job = current.job
        logger.debug(
            "snapshot stored",
            metadata: [
                "group": "\(job.group.rawValue)",
                "entry": "\(job.cut.mark.position.index.rawValue)",
            ]
        )
        let mark = job.cut.mark
        job.reactor.settle(job.group) { $0.snapshotStored(mark) }
    }

    /// The last of the room is for the log.
    private static let noRoom = "there is no room on the disk; make some"

    /// A file that was not finished is gone, and the log goes back as far as before: nothing is
    /// lost. Where the disk is at its end, the next commit says so. Only where a name may be lost
    /// the node ends: a later snapshot could be taken for durable and not be.
    private func abandonOrEnd(_ job: CutJob, _ error: LogStoreError) {
        if case .namesNotDurable = error { fatal(FatalReason(error)) }
        abandon(job, "\(error)")
    }

    private func abandon(_ job: CutJob, _ reason: String) {
        mayBeSealedOtherwise = true
        logger.error(
            "snapshot could not be stored; the log grows until the next one is",
            metadata: ["group": "\(job.group.rawValue)", "reason": "\(reason)"]
        )
        job.reactor.snapshotAbandoned(of: job.group)
    }

    // MARK: Streams

    /// Closes the files of followers that have gone away, and seals a snapshot anew where one needs
    /// it. Called now and then.
    func sweep() {
        perform {
            self.giveUpStreams(at: MonotonicClock.now())
            // What failed may be better by now.
            self.failedSeals = []
            if self.mayBeSealedOtherwise, self.resealing == nil { self.resealNext() }
        }
    }

    // MARK: Keys

    /// The keys are new: what is sealed with others is sealed anew.
    func reseal() {
        perform {
            self.mayBeSealedOtherwise = true
            self.failedSeals = []
            if self.resealing == nil { self.resealNext() }
        }
    }

    /// Begins with one, where there is one. A file that cannot be sealed anew is left as it is.
    private func resealNext() {
        // A copy must fit beside the file.
        if space.room == .ample {
            do {
                let next = try files.nextToReseal(skipping: failedSeals)
                for failure in next.failures { resealFailed(failure) }
                resealing = next.resealing
                if resealing == nil, failedSeals.isEmpty {
                    mayBeSealedOtherwise = false
                    complainedOf = []
                }
            } catch {
                logger.error("the snapshots cannot be read", metadata: ["reason": "\(error)"])
            }
        }
        noteKeys()
    }

    private func resealSection() {
        guard let current = resealing else { return }
        // The next sweep tries again.
        guard space.room == .ample else {
            resealing = nil
            return
        }
        do {
            guard try current.step() else { return }
        } catch {
            if case .namesNotDurable = error { fatal(FatalReason(error)) }
            resealFailed((current.file, error))
        }
        resealing = nil
        resealNext()
    }

    /// The log is told once of each file.
    private func resealFailed(_ failure: SnapshotFiles.Failure) {
        failedSeals.insert(failure.file)
        guard complainedOf.insert(failure.file).inserted else { return }
        logger.error(
            "a snapshot could not be sealed anew; it is tried again",
            metadata: ["file": "\(failure.file)", "reason": "\(failure.error)"]
        )
    }

    /// Says what the snapshots are sealed with, those that are being written or received included:
    /// they may have keys that are active no more.
    private func noteKeys() {
        do {
            var inUse = try files.keysInUse()
            if let cutting { inUse.insert(cutting.writer.key) }
            if let resealing { inUse.insert(resealing.key) }
            for case let key? in receivers.values.map(\.key) { inUse.insert(key) }
            keys.note(snapshots: inUse)
        } catch {
            keys.note(snapshots: nil)
            logger.error("the snapshots cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    private func giveUpStreams(at now: Instant) {
        for stream in gate.takeAbandoned(at: now) {
            streams[stream.group]?.close(stream.follower)
        }
    }

    private func doRead(_ fetch: SnapshotFetch, _ group: GroupID, _ reactor: Reactor) {
        let now = MonotonicClock.now()
        giveUpStreams(at: now)
        let stream = StreamGate.Stream(group: group, follower: fetch.follower)
        guard gate.admits(stream, offset: fetch.offset, at: now) else { return }
        let chunk: FetchedChunk
        do {
            chunk = try streams[group, default: SnapshotStreams(files, of: group)].read(fetch)
        } catch {
            logger.error(
                "snapshot could not be read for a follower",
                metadata: ["group": "\(group.rawValue)", "reason": "\(error)"]
            )
            chunk = .gone
        }
        switch chunk {
        case .bytes(_, isLast: false): break
        case .bytes(_, isLast: true), .gone:
            gate.close(stream)
            streams[group]?.close(fetch.follower)
        }
        reactor.settle(group) { $0.fetched(fetch, chunk) }
    }

    // MARK: Receiving

    private func doKeep(_ chunk: ReceivedChunk, _ group: GroupID, _ reactor: Reactor) {
        do {
            guard space.room != .exhausted else {
                throw LogStoreError.io(call: "write", reason: Self.noRoom)
            }
            if chunk.offset == 0 {
                receivers[group] = try files.receiver(of: group, at: chunk.mark)
            }
            // One that came to an end is not gone on with; the core begins anew.
            guard let receiver = receivers[group], receiver.mark == chunk.mark else { return }
            let knownKey = receiver.key
            try receiver.append(chunk.bytes, at: chunk.offset)
            // It must not go before the whole was read.
            if receiver.key != knownKey { noteKeys() }
            let end = chunk.offset + UInt64(chunk.bytes.count)
            reactor.settle(group) { $0.chunkKept(chunk.mark.position, through: end) }
            guard chunk.isLast else { return }
            let machine = try SessionMachine.load(
                from: receiver.verify,
                unsound: receiver.unsound
            )
            try receiver.keep()
            receivers[group] = nil
            // Whoever sent it may have other keys, or none.
            mayBeSealedOtherwise = true
            noteKeys()
            logger.notice(
                "snapshot received",
                metadata: [
                    "group": "\(group.rawValue)",
                    "entry": "\(chunk.mark.position.index.rawValue)",
                ]
            )
            reactor.settle(group) { $0.snapshotReceived(chunk.mark, machine) }
        } catch LogStoreError.namesNotDurable(let directory, let reason) {
            fatal(FatalReason(.namesNotDurable(directory: directory, reason: reason)))
        } catch LogStoreError.io(let call, let reason) {
            receivers[group] = nil
            logger.error(
                "the disk does not take a snapshot from the leader; make room, it is tried again",
                metadata: ["group": "\(group.rawValue)", "call": "\(call)", "reason": "\(reason)"]
            )
            retryLater(chunk, group, reactor)
        } catch LogStoreError.missingKey(let key, _) {
            receivers[group] = nil
            logger.error(
                """
                a snapshot from the leader is sealed with a key that is not here: bring the key to \
                this node's keys and send it SIGHUP; it is tried again
                """,
                metadata: ["group": "\(group.rawValue)", "key": "\(key)"]
            )
            retryLater(chunk, group, reactor)
        } catch {
            receivers[group] = nil
            logger.error(
                "snapshot from the leader is of no use; it will be sent again",
                metadata: ["group": "\(group.rawValue)", "reason": "\(error)"]
            )
            reactor.settle(group) { $0.snapshotDamaged(chunk.mark.position) }
        }
    }

    /// Not at once: it would be sent for nothing again and again.
    private func retryLater(_ chunk: ReceivedChunk, _ group: GroupID, _ reactor: Reactor) {
        reactor.loop.scheduleTask(in: .nanoseconds(Limits.snapshotRetryPause)) {
            reactor.settle(group) { $0.snapshotDamaged(chunk.mark.position) }
        }
    }
}
