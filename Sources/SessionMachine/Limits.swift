// Every bound of the state machine with its reason. Decoders enforce them on foreign bytes; the
// edge refuses earlier and with a better error text.

package enum Limits {
    /// A Redis key. Its length is stored in 16 bits; longer keys are mistakes of the caller.
    package static let keyBytes = 16 * 1024
    /// A plain value. One value travels in one Raft entry and must not hold up the group's
    /// heartbeats.
    package static let valueBytes = 4 * 1024 * 1024
    /// A session's subject (user id). It is stored with each session and hashed on each login.
    package static let subjectBytes = 1_024
    /// IP, policy name, authentication methods: labels that people read in a list.
    package static let labelBytes = 256
    /// User agents in the wild stay under 1 KiB; longer ones are cut by the edge.
    package static let agentBytes = 1_024
    /// Reason and actor of a revocation: kept in the tombstone, so they are kept short.
    package static let reasonBytes = 256
    /// Fields of one session: a session is not a database.
    package static let fields = 256
    /// Names of fields.
    package static let fieldNameBytes = 256
    /// All of one session's variable bytes. A renewal or touch copies the record while a snapshot
    /// runs.
    package static let sessionBytes = 64 * 1024
    /// Requests whose answers a session remembers: as many as one browser has on their way at once
    /// through two tabs (six connections each, at most), and some.
    package static let requestsRemembered = 16
    /// Who may wait for one session's lock: requests of one user.
    package static let lockLine = 64
    /// How long a place in line is kept for one that does not ask again: some times what an
    /// election takes.
    package static let lockPatience = Milliseconds.seconds(5)
    /// How long a rotated id goes on at most: its tombstone must outlive its grace.
    package static let rotationGrace = tombstoneFloor
    /// How often a session is rotated: each time leaves a record until its absolute end, and who
    /// ends the session by its first id walks them all.
    package static let rotations: UInt32 = 4_096
    /// A sealed secret: version, nonce, the secret's characters and tag take 75 bytes.
    package static let sealedSecretBytes = 128
    /// Live sessions of one subject: a revoke-all is one log entry and must apply within
    /// milliseconds.
    package static let sessionsPerSubject = 4_096
    /// Keys in one DEL: the entry applies in one go, about 0.5 us each.
    package static let keysPerDelete = 16_384
    /// Handles in one touch: what one turn of a reactor can collect.
    package static let handlesPerTouch = 16_384
    /// Replicas named in one attestation: as many as a group may have members.
    package static let votesPerAttestation = 16
    /// Commands in one entry: what one turn of a reactor can collect.
    package static let commandsPerEntry = 65_536
    /// Record slots: ids are 32 bits, and the top 64 Ki of them name the timer wheel's lists.
    package static let recordSlots = 0xffff_0000

    /// Timer steps (a removal, or a move to a finer level) that every entry may take, whatever is
    /// in it: about 0.1 ms. The rest is carried over.
    package static let timerStepsPerEntry = 512
    /// Further steps for each command of the entry. A record's life costs at most one removal (two
    /// for a session) and about one move per wheel level that its lifetime spans, so that removal
    /// keeps up with creation at any batch size.
    package static let timerStepsPerCommand = 8

    /// How long an ended session still answers `expired` rather than `unknown`: longer than a
    /// request that raced the deadline.
    package static let expiredGrace = Milliseconds.seconds(60)
    /// The shortest life of a revocation's tombstone: longer than any client retries a create, so
    /// that a late duplicate cannot start a session of short life a second time.
    package static let tombstoneFloor = Milliseconds.seconds(600)
    /// The coarsest touch granularity: how late an idle session may end at most.
    package static let touchGranularity = Milliseconds.seconds(60)

    /// What a record takes besides its bytes: array header (32), allocator (12), table slot (8),
    /// timer (16), index entry (13). Measured with 1,000,000 records.
    package static let recordOverheadBytes = 81
    /// Keys that one SCAN call may ask for: a call must not hold up its group.
    package static let scanCount = 10_000

    /// Bytes of one snapshot section before it is closed. A section holds at least one record.
    package static let snapshotSectionBytes = 256 * 1024
    /// A foreign section: the target above plus the largest record and its varints.
    package static let foreignSectionBytes = snapshotSectionBytes + valueBytes + keyBytes + 64
}
