// The exchange of a session's id for a new one, its successor: what a login to more rights, or the
// mere passing of time, calls for (OWASP "Renewal timeout", ASVS 7.2.4).
//
//     A live --rotate--> A rotated, with a link to B      B live, with all that A carried
//
// For a time of grace the old id is as good as the new one, since requests that were on their way
// still show it; and who asks for a rotation again is given the same successor again. Afterwards
// the old id is one that has ended. A link names its successor by handle and sequence number, which
// is never given out twice: sequence numbers grow along a chain, so it has an end.
//
// It must never: lead to a session that is not of the chain, put the absolute end off, give an old
// id more than it had, or show a secret to who does not show the one before it.

/// Exchanges the id of a session.
package struct RotateSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var successor: SessionHandle128
    package var successorDigest: SecretDigest
    /// The successor's secret, sealed under a key that follows from the old secret: only who shows
    /// that one can be told again. At most `Limits.sealedSecretBytes`.
    package var sealedSecret: ArraySlice<UInt8>
    /// How long the old id goes on; zero for not at all. At most `Limits.rotationGrace`, whatever
    /// stands here.
    package var grace: Milliseconds
    /// The assurance level that the login has reached; nil to keep it. Only the present id can
    /// reach one.
    package var assurance: UInt8?

    package init(
        handle: SessionHandle128,
        digest: SecretDigest,
        successor: SessionHandle128,
        successorDigest: SecretDigest,
        sealedSecret: ArraySlice<UInt8>,
        grace: Milliseconds
    ) {
        self.handle = handle
        self.digest = digest
        self.successor = successor
        self.successorDigest = successorDigest
        self.sealedSecret = sealedSecret
        self.grace = grace
    }
}

/// What a client is told of a rotation.
package struct Rotated: Equatable, Sendable {
    /// The live session at the end of the chain.
    package var info: SessionInfo
    /// The direct successor of the id that was shown.
    package var successor: SessionHandle128
    package var sealedSecret: ArraySlice<UInt8>
}

/// Where a rotated id's session went on.
struct SuccessorLink: Equatable, Sendable {
    /// Of the record with this link, when it was a session.
    var ownSequence: UInt64
    var handle: SessionHandle128
    var sequence: UInt64
    /// Until when the old id is as good as the new one.
    var graceEndsAt: MachineTime
    /// The level that the old id gave, and gives no more than, whatever the new one does.
    var assurance: UInt8
    /// The handle of the id before the old one.
    var predecessor: SessionHandle128?
    /// Empty where nobody may be told it.
    var sealedSecret: ArraySlice<UInt8>
}

extension SessionMachine {
    mutating func apply(_ rotate: RotateSession) -> Outcome {
        guard rotate.sealedSecret.count <= Limits.sealedSecretBytes else {
            return .refused(.tooLarge)
        }
        guard let record = settledSession(rotate.handle, rotate.digest) else { return .unknown }
        let payload = records.payload(record)
        guard records.kind(record) == .session else { return rotatedAgain(rotate, payload) }
        let successorHash = hash(rotate.successor)
        guard settledSession(rotate.successor, hash: successorHash) == nil else {
            return .handleTaken
        }
        guard !records.isFull else { return .refused(.full) }
        let old = SessionView(payload: payload)
        guard old.rotations < Limits.rotations else { return .refused(.rotatedTooOften) }
        let successor = SessionLayout.successor(of: old, by: rotate, time, nextSequence)
        let view = SessionView(payload: successor)
        let link = link(from: old, by: rotate)
        end(record, .rotated(link))
        let new = records.insert(successor, deadline: view.deadline)
        sessions.insert(new, hash: successorHash)
        subjects.append(new, subject: view.subject, hash: hash(view.subject), in: records)
        nextSequence += 1
        counters.rotated &+= 1
        return .rotated(
            Rotated(
                info: view.info,
                successor: rotate.successor,
                sealedSecret: link.sealedSecret
            )
        )
    }

    private func link(from old: SessionView, by rotate: RotateSession) -> SuccessorLink {
        let grace = min(rotate.grace, Limits.rotationGrace)
        return SuccessorLink(
            ownSequence: old.sequence,
            handle: rotate.successor,
            sequence: nextSequence,
            graceEndsAt: time.advanced(by: grace),
            assurance: old.assurance,
            predecessor: old.predecessor,
            sealedSecret: grace == .zero ? [] : rotate.sealedSecret
        )
    }

    /// The answer to a rotation of an id that has ended.
    private mutating func rotatedAgain(_ rotate: RotateSession, _ payload: [UInt8]) -> Outcome {
        let tombstone = TombstoneView(payload: payload)
        guard let link = tombstone.link else { return .ended(tombstone.end) }
        guard let next = record(of: link) else { return .ended(.rotated) }
        // A retry shows the successor's own secret: it is answered after the grace too.
        let digest = SessionLayout.digest(of: records.payload(next))
        let isRetry = link.handle == rotate.successor && digest == rotate.successorDigest
        guard isRetry || link.handle != rotate.successor else { return .handleTaken }
        guard isRetry || link.graceEndsAt > time, let live = settledSuccessor(of: link) else {
            return .ended(.rotated)
        }
        let view = SessionView(payload: records.payload(live))
        // An old id neither raises the level nor gets at an id that has a higher one.
        let isLevel = rotate.assurance == nil && view.assurance <= link.assurance
        guard isRetry || isLevel else { return .ended(.rotated) }
        return .rotated(
            Rotated(
                info: view.info,
                successor: link.handle,
                sealedSecret: link.sealedSecret
            )
        )
    }

    // MARK: Chains

    /// The record that the link leads to: a session, whatever its deadline, or a tombstone in its
    /// time.
    private func record(of link: SuccessorLink) -> RecordID? {
        guard let record = session(link.handle, hash: hash(link.handle)) else { return nil }
        let payload = records.payload(record)
        switch records.kind(record) {
        case .session:
            return SessionView(payload: payload).sequence == link.sequence ? record : nil
        case .tombstone:
            let next = TombstoneView(payload: payload).link
            return next?.ownSequence == link.sequence && !isOver(record) ? record : nil
        case .value: return nil
        }
    }

    /// A session's absolute end was put off: the ids before its own are remembered as long, so that
    /// a logout by any of them still finds it.
    mutating func prolongPredecessors(of session: SessionView) {
        var next = session.sequence
        var predecessor = session.predecessor
        while let handle = predecessor, let record = self.session(handle, hash: hash(handle)),
            records.kind(record) == .tombstone,
            let link = TombstoneView(payload: records.payload(record)).link, link.sequence == next
        {
            guard let deadline = records.deadline(record), !isOver(record) else { return }
            records.setDeadline(record, max(deadline, session.expiresAt))
            next = link.ownSequence
            predecessor = link.predecessor
        }
    }

    /// The end of a chain.
    struct ChainEnd {
        var record: RecordID
        /// Until when all links on the way are in their grace.
        var graceEndsAt: MachineTime
        /// The lowest level of all ids on the way.
        var assurance: UInt8
    }

    /// Follows links from `link` to a record that has none. With `inGrace` only over those whose
    /// grace lasts.
    private func chainEnd(from link: SuccessorLink, inGrace: Bool) -> ChainEnd? {
        var link = link
        var graceEndsAt = link.graceEndsAt
        var assurance = link.assurance
        while let record = record(of: link) {
            guard records.kind(record) == .tombstone,
                let next = TombstoneView(payload: records.payload(record)).link
            else {
                return ChainEnd(record: record, graceEndsAt: graceEndsAt, assurance: assurance)
            }
            guard !inGrace || next.graceEndsAt > time, next.sequence > link.sequence else {
                return nil
            }
            graceEndsAt = min(graceEndsAt, next.graceEndsAt)
            assurance = min(assurance, next.assurance)
            link = next
        }
        return nil
    }

    /// The session at the end of the chain, whether its deadline has passed or not. Does not look
    /// at `link`'s own grace: the caller has.
    func successor(of link: SuccessorLink) -> ChainEnd? {
        guard let end = chainEnd(from: link, inGrace: true), records.kind(end.record) == .session
        else { return nil }
        return end
    }

    mutating func settledSuccessor(of link: SuccessorLink) -> RecordID? {
        guard let record = successor(of: link)?.record else { return nil }
        guard isOver(record) else { return record }
        settle(record)
        return nil
    }

    /// The live session that a handle stands for, by however many rotations, in grace or not: for
    /// those who end it.
    mutating func settledHeir(of handle: SessionHandle128) -> RecordID? {
        guard var record = settledSession(handle, hash: hash(handle)) else { return nil }
        if records.kind(record) == .tombstone {
            guard let link = TombstoneView(payload: records.payload(record)).link,
                let last = chainEnd(from: link, inGrace: false)
            else { return nil }
            record = last.record
        }
        guard records.kind(record) == .session else { return nil }
        guard isOver(record) else { return record }
        settle(record)
        return nil
    }
}
