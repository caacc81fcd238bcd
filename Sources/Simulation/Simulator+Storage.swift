// What the server's disk thread does: one batch at a time, snapshots beside it. A failed write ends
// the process at once: whether it took effect is not known, and it is never tried again.

import RaftCore
import Replica
import SessionMachine

extension Simulator {
    // MARK: Batches

    func persist(_ batch: PersistBatch, _ node: SimNode, _ process: Process) {
        if let unsynced = process.writing, options.sabotage == .answersBeforeSync {
            process.writing = nil
            stored(unsynced, on: node, marksIt: true)
        }
        guard process.writing == nil else {
            return fail("\(node.number) hands out a batch while one is being written")
        }
        process.writing = batch
        let trouble = node.trouble
        if trouble.fullUntil > now {
            counts[.diskFull] += 1
            note("\(node.number) has no room")
            return failWrite(node)
        }
        if phase == .safety, node.diskRandom.oneIn(options.disk.errorOneIn) {
            counts[.ioErrors] += 1
            note("\(node.number) cannot write")
            return failWrite(node)
        }
        if options.sabotage == .answersBeforeSync {
            deliver(.persisted(batch.mark), to: node.number, node.epoch)
        }
        var wait = node.diskRandom.between(options.disk.sync)
        if isDisturbed(node), node.diskRandom.oneIn(options.disk.slowOneIn) {
            counts[.slowSyncs] += 1
            wait += node.diskRandom.magnitude(Time.millisecond...options.disk.slow)
        }
        if trouble.slowUntil > now {
            counts[.slowSyncs] += 1
            wait += node.diskRandom.magnitude(Time.millisecond...options.electionTimeout)
        }
        queue.schedule(.synced(node.number, epoch: node.epoch), at: now + wait)
    }

    /// Faults that are no event of their own strike in the safety phase, and later only those who
    /// stay broken.
    func isDisturbed(_ node: SimNode) -> Bool {
        phase == .safety || (phase == .core && !phases.core.contains(node.number))
    }

    private func failWrite(_ node: SimNode) {
        let delay = node.diskRandom.magnitude(100 * Time.millisecond...4 * Time.second)
        crash(node, restartAfter: delay)
    }

    func synced(_ number: Int, _ epoch: UInt64) {
        guard let process = process(number, epoch), let batch = process.writing else { return }
        let node = nodes[number - 1]
        if node.trouble.hungUntil > now {
            counts[.hungSyncs] += 1
            queue.schedule(.synced(number, epoch: epoch), at: node.trouble.retry)
            return
        }
        process.writing = nil
        counts[.syncs] += 1
        stored(batch, on: node, marksIt: true)
        if options.sabotage != .answersBeforeSync {
            deliver(.persisted(batch.mark), to: number, epoch)
        }
    }

    /// The batch is durable, whether anybody will say so or not.
    func stored(_ batch: PersistBatch, on node: SimNode, marksIt: Bool) {
        guard node.isDamaged || node.disk.fits(batch) else {
            return fail("\(node.number) stores a batch that does not follow what it has stored")
        }
        // What a process cuts from a log that has lost its rows leaves a gap, which is noticed
        // later.
        let isGap =
            batch.base.map { node.shadow.continues($0) && !node.disk.continues($0) } ?? false
        node.disk.keepVote(batch.hardState)
        if node.disk.fits(batch), !isGap {
            node.disk.store(batch, marksIt: marksIt)
        } else {
            node.disk.markWhatIsMissing()
        }
        if node.isImpostor { return }
        var previous: Term?
        if let first = batch.entries.first, let raft = node.process?.replica.raft {
            previous = raft.log.term(at: first.index.previous)
            // What was cut meanwhile does not lead to this batch any more.
            if raft.log.term(at: first.index) != first.term { previous = nil }
        }
        if let broken = judge.stored(batch, after: previous) { return fail(broken) }
        counts[.entries] += UInt64(batch.entries.count)
        if node.shadow.isMute, !batch.hardState.isMute {
            counts[.voicesRegained] += 1
            note("\(node.number) has its voice back")
        }
        node.shadow.stored(batch)
        if let last = batch.entries.last {
            note("\(node.number) stores to \(last.position.text)")
        }
    }

    // MARK: Its own snapshots

    func write(_ cut: SnapshotCut, _ node: SimNode, _ process: Process) {
        counts[.snapshotsCut] += 1
        note("\(node.number) cuts a snapshot at \(cut.mark.position.text)")
        if !node.isImpostor, let broken = judge.broken(cut.mark) {
            return fail("\(node.number): \(broken)")
        }
        guard process.cutting == nil || options.sabotage == .snapshotNotSynced else {
            return fail("\(node.number) cuts a snapshot while it makes one")
        }
        if node.trouble.fullUntil > now || node.isCorrupt {
            process.inbox.append(.snapshotAbandoned)
            return
        }
        let file = SnapshotFile(mark: cut.mark, bytes: cut.machine.encodedSnapshot())
        process.cutting = file
        if options.sabotage == .snapshotNotSynced {
            process.inbox.append(.snapshotStored(cut.mark))
        }
        let wait = node.diskRandom.between(options.disk.snapshot)
        queue.schedule(.snapshotWritten(node.number, epoch: node.epoch, file), at: now + wait)
    }

    func snapshotWritten(_ number: Int, _ epoch: UInt64, _ file: SnapshotFile) {
        guard let process = process(number, epoch) else { return }
        let node = nodes[number - 1]
        if node.trouble.hungUntil > now {
            let later = node.trouble.retry
            queue.schedule(.snapshotWritten(number, epoch: epoch, file), at: later)
            return
        }
        process.cutting = nil
        counts[.snapshotsStored] += 1
        note("\(number) has the snapshot at \(file.mark.position.text)")
        node.disk.store(file)
        if options.sabotage == .snapshotNotSynced { return }
        deliver(.snapshotStored(file.mark), to: number, epoch)
    }

    /// A piece of its own snapshot, for a follower.
    func read(_ fetch: SnapshotFetch, _ node: SimNode, _ process: Process) {
        let chunk = node.disk.fetch(fetch)
        if fetch.offset == 0, case .bytes = chunk { counts[.snapshotsSent] += 1 }
        let wait = node.diskRandom.between(10 * Time.microsecond...2 * Time.millisecond)
        queue.schedule(
            .input(node.number, epoch: node.epoch, .fetched(fetch, chunk)),
            at: now + wait
        )
    }

    // MARK: A leader's snapshot

    func keep(_ chunk: ReceivedChunk, _ node: SimNode, _ process: Process) {
        counts[.chunks] += 1
        if chunk.offset == 0 {
            process.incoming = Process.IncomingFile(mark: chunk.mark, bytes: [])
            process.incomingSerial += 1
        }
        guard let incoming = process.incoming, incoming.mark == chunk.mark,
            UInt64(incoming.bytes.count) == chunk.offset
        else { return fail("\(node.number) is given a chunk that does not follow") }
        process.incoming?.bytes.append(contentsOf: chunk.bytes)
        let end = chunk.offset + UInt64(chunk.bytes.count)
        let wait = node.diskRandom.between(10 * Time.microsecond...Time.millisecond)
        queue.schedule(
            .input(node.number, epoch: node.epoch, .chunkKept(chunk.mark.position, through: end)),
            at: max(now + wait, node.trouble.retry)
        )
        guard chunk.isLast else { return }
        finishIncoming(node, process)
    }

    private func finishIncoming(_ node: SimNode, _ process: Process) {
        guard let incoming = process.incoming else { return }
        process.incoming = nil
        let position = incoming.mark.position
        let machine: SessionMachine
        do {
            machine = try SessionMachine(snapshot: incoming.bytes)
        } catch {
            let damages = counts[.flippedBits] + counts[.misdirectedWrites] + counts[.oldImages]
            guard damages > 0 else {
                return fail("\(node.number) cannot read the snapshot of a sound node: \(error)")
            }
            counts[.snapshotsDamaged] += 1
            note("\(node.number) was sent a damaged snapshot at \(position.text): \(error)")
            process.inbox.append(.snapshotDamaged(position))
            return
        }
        if node.trouble.fullUntil > now {
            process.inbox.append(.snapshotDamaged(position))
            return
        }
        let file = SnapshotFile(mark: incoming.mark, bytes: incoming.bytes)
        let wait = node.diskRandom.between(options.disk.snapshot)
        queue.schedule(
            .snapshotKept(
                node.number,
                epoch: node.epoch,
                serial: process.incomingSerial,
                file,
                machine
            ),
            at: now + wait
        )
    }

    func snapshotKept(
        _ number: Int,
        _ epoch: UInt64,
        _ serial: UInt64,
        _ file: SnapshotFile,
        _ machine: SessionMachine
    ) {
        guard let process = process(number, epoch) else { return }
        let node = nodes[number - 1]
        if node.trouble.hungUntil > now {
            let later = node.trouble.retry
            queue.schedule(
                .snapshotKept(number, epoch: epoch, serial: serial, file, machine),
                at: later
            )
            return
        }
        // Another one has begun to come in: this one was given up.
        guard process.incomingSerial == serial else { return }
        node.disk.store(file)
        counts[.snapshotsInstalled] += 1
        note("\(number) has the leader's snapshot at \(file.mark.position.text)")
        deliver(
            .snapshotReceived(file.mark, corrupted(machine, of: node)),
            to: number,
            epoch
        )
    }
}
