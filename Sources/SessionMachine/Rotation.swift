// The exchange of a session's id for a new one, its successor: what a login to more rights, or the
// mere passing of time, calls for (OWASP "Renewal timeout", ASVS 7.2.4).
//
//     A live --rotate--> A rotated, with a link to B      B live, with all that A carried
//
// For a time of grace the old id is as good as the new one, since requests that were on their way
// still show it; and who asks for a rotation again is given the same successor again. Afterwards
// the old id is one that has ended. A link names its successor by handle and sequence number, which
// is never given out twice: sequence numbers grow along a chain, so it has an end.

/// Exchanges the id of a session.
package struct RotateSession: Equatable, Sendable {
    package var handle: SessionHandle128
    package var digest: SecretDigest
    package var successor: SessionHandle128
    package var successorDigest: SecretDigest
    /// The successor's secret, sealed under a key that follows from the old secret: only who shows
    /// that one can be told again. At most `Limits.sealedSecretBytes`.
    package var sealedSecret: ArraySlice<UInt8>
    /// How long the old id goes on; zero for not at all.
    package var grace: Milliseconds
    /// The assurance level that the login has reached; nil to keep it.
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
    var sealedSecret: ArraySlice<UInt8>
}

extension SessionMachine {
    mutating func apply(_ rotate: RotateSession) -> Outcome {
        guard rotate.sealedSecret.count <= Limits.sealedSecretBytes else {
            return .refused(.tooLarge)
        }
        guard let record = settledSession(rotate.handle, hash: hash(rotate.handle)) else {
            return .unknown
        }
        let payload = records.payload(record)
        guard SessionLayout.digest(of: payload) == rotate.digest else { return .unknown }
        guard records.kind(record) == .session else { return rotatedAgain(rotate, payload) }
        let successorHash = hash(rotate.successor)
        guard settledSession(rotate.successor, hash: successorHash) == nil else {
            return .handleTaken
        }
        guard !records.isFull else { return .refused(.full) }
        let old = SessionView(payload: payload)
        let successor = SessionLayout.successor(of: old, by: rotate, time, nextSequence)
        let view = SessionView(payload: successor)
        let link = SuccessorLink(
            ownSequence: old.sequence,
            handle: rotate.successor,
            sequence: nextSequence,
            graceEndsAt: time.advanced(by: rotate.grace),
            sealedSecret: rotate.sealedSecret
        )
        end(record, .rotated, link: link)
        let new = records.insert(successor, deadline: view.deadline)
        sessions.insert(new, hash: successorHash)
        subjects.append(new, subject: view.subject, hash: hash(view.subject), in: records)
        nextSequence += 1
        counters.rotated &+= 1
        return .rotated(
            Rotated(
                info: view.info,
                successor: rotate.successor,
                sealedSecret: rotate.sealedSecret
            )
        )
    }

    /// The answer to a rotation of an id that has ended.
    private mutating func rotatedAgain(_ rotate: RotateSession, _ payload: [UInt8]) -> Outcome {
        let tombstone = TombstoneView(payload: payload)
        guard let link = tombstone.link else { return .ended(tombstone.end) }
        // A retry knows the successor: it is answered after the grace too.
        let isRetry = link.handle == rotate.successor
        guard isRetry || link.graceEndsAt > time, let live = settledSuccessor(of: link) else {
            return .ended(.rotated)
        }
        return .rotated(
            Rotated(
                info: SessionView(payload: records.payload(live)).info,
                successor: link.handle,
                sealedSecret: link.sealedSecret
            )
        )
    }

    // MARK: Chains

    /// The record that the link leads to, session or tombstone, whatever its deadline.
    private func record(of link: SuccessorLink) -> RecordID? {
        guard let record = session(link.handle, hash: hash(link.handle)) else { return nil }
        let payload = records.payload(record)
        let sequence =
            switch records.kind(record) {
            case .session: SessionView(payload: payload).sequence
            case .tombstone: TombstoneView(payload: payload).link?.ownSequence
            case .value: nil as UInt64?
            }
        return sequence == link.sequence ? record : nil
    }

    /// The end of a chain.
    struct ChainEnd {
        var record: RecordID
        /// Until when all links on the way are in their grace.
        var graceEndsAt: MachineTime
    }

    /// Follows links from `link` to a record that has none. With `inGrace` only over those whose
    /// grace lasts.
    private func chainEnd(from link: SuccessorLink, inGrace: Bool) -> ChainEnd? {
        var link = link
        var graceEndsAt = link.graceEndsAt
        while let record = record(of: link) {
            guard records.kind(record) == .tombstone,
                let next = TombstoneView(payload: records.payload(record)).link
            else { return ChainEnd(record: record, graceEndsAt: graceEndsAt) }
            guard !inGrace || next.graceEndsAt > time, next.sequence > link.sequence else {
                return nil
            }
            graceEndsAt = min(graceEndsAt, next.graceEndsAt)
            link = next
        }
        return nil
    }

    /// The session at the end of the chain, whether its deadline has passed or not. The first link
    /// counts in its grace only where the caller has seen that it lasts.
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
