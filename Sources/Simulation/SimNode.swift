// One simulated node: what outlives its process (disk, clocks), and the process itself, which does
// what the server's reactor does, in the same order: takes what came in, ends the turn, carries out
// the effects. Each is a list of steps, and between any two of them the process may be paused or
// die.

import NIOCore
import PeerWire
import RaftCore
import Replica
import SessionMachine

/// Something that reaches a process from outside.
enum NodeInput {
    case tick
    case frame(Frame, from: NodeID)
    case request(ClientRequest)
    case persisted(PersistMark)
    case snapshotStored(SnapshotMark)
    case snapshotAbandoned
    case snapshotReceived(SnapshotMark, SessionMachine)
    case chunkKept(LogPosition, through: UInt64)
    case snapshotDamaged(LogPosition)
    case fetched(SnapshotFetch, FetchedChunk)
    case lostContact(NodeID)
    case transfer(NodeID)
    case change(MembershipChange, ChangeToken)
    /// Nothing but another turn: the last one left something to do.
    case nothing
}

/// One step of a process.
enum Step {
    case input(NodeInput)
    case readClocks
    case endTurn(MachineTime, Instant)
    case persist(PersistBatch)
    case send(Message)
    case flush
    case answer(RequestToken, Answer)
    /// The machine was looked up; the reply may leave if the lease still holds.
    case reply(ClientRequest, NodeReply, validUntil: Instant?)
    case changed(ChangeToken, ChangeAnswer)
    case cut(SnapshotCut)
    case fetch(SnapshotFetch)
    case keep(ReceivedChunk)
}

/// The volatile half of a node.
final class Process {
    var replica: Replica
    var effects = ReplicaEffects()
    var inbox: [NodeInput] = []
    /// The steps of the turn that runs; taken from `position` on.
    var steps: [Step] = []
    var position = 0
    var isTurnScheduled = false
    /// In the middle of a turn, waiting for a stall to end.
    var isStalled = false
    /// The step before which it stalled last: it does not stall there again.
    var stalledAt = -1
    /// Up to where its machine was judged.
    var applied = LogIndex.zero
    /// The Raft node as the turn found it, for the judges.
    var before: RaftNode?
    /// The room on its disk, as far as it knew, when the turn began.
    var roomBefore = Room.ample
    /// The term in which the last turn's reads were confirmed; it may have been over in the same
    /// turn.
    var termOfReads = Term.zero

    var known: KnownPeers
    var versions: PeerVersions
    /// By peer: the process of the peer whose hello was taken, and what writes to it.
    var links: [Link] = []

    var requests: [RequestToken: ClientRequest] = [:]
    var lastToken: UInt64 = 0
    /// The batch that the disk thread works on.
    var writing: PersistBatch?
    var cutting: SnapshotFile?
    var incoming: IncomingFile?
    /// Counts the snapshots that were received, so that a job for an older one is known.
    var incomingSerial: UInt64 = 0

    struct Link {
        /// Of the peer's process; 0: none said hello.
        var peerEpoch: UInt64 = 0
        var isRefused = false
        var encoder: FrameEncoder
    }

    struct IncomingFile {
        var mark: SnapshotMark
        var bytes: [UInt8]
    }

    init(replica: Replica, known: KnownPeers, versions: PeerVersions) {
        self.replica = replica
        self.known = known
        self.versions = versions
    }

    func clearSteps() {
        steps.removeAll(keepingCapacity: true)
        position = 0
        stalledAt = -1
    }

    func newToken() -> RequestToken {
        lastToken += 1
        return RequestToken(rawValue: lastToken)
    }
}

/// What a node is at the moment.
enum Life: Equatable {
    case up
    /// Its process died; it may be started again.
    case down
    /// Its disk is lost or damaged: it never comes back under this id.
    case lost
}

/// The disturbances of one node's disk.
struct DiskTrouble {
    var slowUntil: UInt64 = 0
    var hungUntil: UInt64 = 0
    var fullUntil: UInt64 = 0
    var lowUntil: UInt64 = 0
    var exhaustedUntil: UInt64 = 0

    func room(at time: UInt64) -> Room {
        exhaustedUntil > time ? .exhausted : lowUntil > time ? .low : .ample
    }

    /// When a write that hangs is looked at again.
    var retry: UInt64 { hungUntil == .max ? .max : hungUntil + 1 }
}

/// One node of the simulated cluster.
final class SimNode {
    let id: NodeID
    var life = Life.down
    /// Counts its processes: what was meant for an earlier one is dropped.
    var epoch: UInt64 = 0
    var process: Process?
    var disk: SimDisk
    var shadow = DurableShadow()
    var clock: NodeClock
    var codec: CodecVersion
    var pausedUntil: UInt64 = 0
    /// Steps that came due during a pause.
    var isWaiting = false
    var trouble = DiskTrouble()
    /// A bit of its disk was flipped, or worse, and nobody has noticed yet.
    var isDamaged = false
    var diskRandom: Stream
    var stallRandom: Stream
    var schedulingRandom: Stream
    /// The members in force when it last ended a turn.
    var membership: Membership
    /// Up to where its commits were judged.
    var judged = LogIndex.zero
    /// How often it was started, to give each process other election timeouts.
    var starts: UInt64 = 0
    /// The disks that it may take each peer to have: those whose hellos it has noted durably.
    var met: [NodeID: Incarnation] = [:]
    /// Its machine is not what its log made it.
    var isCorrupt = false
    /// It was so in the life of this process.
    var wasCorrupt = false
    /// Whether a leader once knew it as a member.
    var wasMember = false

    init(
        id: NodeID,
        disk: SimDisk,
        clock: NodeClock,
        codec: CodecVersion,
        membership: Membership,
        seed: UInt64
    ) {
        self.id = id
        self.disk = disk
        self.clock = clock
        self.codec = codec
        self.membership = membership
        diskRandom = Stream(seed: seed, .disk, id.rawValue)
        stallRandom = Stream(seed: seed, .stalls, id.rawValue)
        schedulingRandom = Stream(seed: seed, .scheduling, id.rawValue)
    }

    /// It runs on an empty disk under an id that had another one: nobody may listen to it.
    var isImpostor = false

    /// Nothing of what it once promised is left.
    var isLost: Bool { life == .lost || isImpostor }

    /// Its disk has all that it once promised.
    var isIntact: Bool { !isLost && !isDamaged && !disk.hardState.value.isMute }

    /// The term in which it leads; nil where it does not.
    var termLed: Term? {
        guard let raft = process?.replica.raft, raft.isLeader else { return nil }
        return raft.term
    }

    var number: Int { Int(id.rawValue) }

    func isPaused(at time: UInt64) -> Bool { pausedUntil > time }
}
