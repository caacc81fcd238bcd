// A whole cluster in one thread: nodes that run the server's own `Replica`, their disks and clocks,
// the network between them, clients, and somebody who breaks things. Time is simulated; what
// happens next is the earliest event of a queue; and all chance comes from one seed, so a run can
// be had again.
//
//     safety   everything that the options allow goes wrong, while clients work
//     core     some majority of the voters is healed, the rest stays broken for ever:
//              it must elect, commit and answer within a bound
//     whole    all is healed: all members must come to the same state
//     settled  a quiet while, then a last look at every key; then the history is judged
//
// This file: state and dispatch. `+Nodes`: processes start, die, pause. `+Turns`: what the server's
// reactor does. `+Storage`: what its disk thread does. `+Network`, `+Clients`, `+Faults`,
// `+Membership`, `+Phases`.
//
// It must never: draw chance from anywhere but its streams, or let the order of a dictionary decide
// anything.

import Checkers
import PeerWire
import RaftCore
import Replica
import SessionMachine

/// Something that is going to happen.
enum Event {
    case turn(Int, epoch: UInt64)
    case tick(Int, epoch: UInt64)
    /// A stall within a turn ends.
    case unstall(Int, epoch: UInt64)
    /// A pause ends.
    case resume(Int)
    case input(Int, epoch: UInt64, NodeInput)
    case packet(Packet)
    case synced(Int, epoch: UInt64)
    case snapshotWritten(Int, epoch: UInt64, SnapshotFile)
    case snapshotKept(Int, epoch: UInt64, serial: UInt64, SnapshotFile, SessionMachine)
    case start(Int, epoch: UInt64)
    case request(Int, ClientRequest)
    case reply(client: Int, attempt: UInt64, NodeReply)
    case wake(client: Int)
    case timeout(client: Int, attempt: UInt64)
    case fault(FaultKind)
    case heal(serial: UInt64)
    case aimed(AimedStep)
    case administer
    case look
}

enum Phase: Int, Comparable {
    case safety, core, whole, settled, over

    static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
}

/// One run.
final class Simulator {
    static let cluster = ClusterID(high: 0x5349_4d55, low: 0x4c41_5445)
    static let group = GroupID(0)

    let options: Options
    var queue = EventQueue<Event>()
    var now: UInt64 = 0
    var phase = Phase.safety
    var failure: String?
    var counts = Counts()
    /// Mixes in what happens: equal runs have equal ones.
    var fingerprint: UInt64 = 0
    /// Takes the lines of the trace; nil where none is wanted.
    let trace: ((String) -> Void)?

    var nodes: [SimNode] = []
    var network: Network
    var judge: GroupJudge
    var faults: FaultState
    var aimed: AimedState
    var fencing = FencingState()
    var administration: Administration
    var phases: PhaseState

    var clients: [Client] = []
    var workload: Workload
    var history = History()
    /// Operations that are over, whatever came of them.
    var operations = 0
    /// The furthest that any wall clock was from true time, in nanoseconds.
    var wallSpread: UInt64 = 0

    init(options: Options, trace: ((String) -> Void)?) {
        self.options = options
        self.trace = trace
        network = Network(options: options.network, seed: options.seed)
        faults = FaultState(seed: options.seed)
        aimed = AimedState(seed: options.seed)
        administration = Administration(seed: options.seed)
        phases = PhaseState(seed: options.seed)
        workload = Workload(options: options.clients)
        let voters = (1...UInt64(options.nodes)).map { NodeID($0) }
        let first = Membership(voters: voters)
        judge = GroupJudge(first: first)
        for id in voters { addNode(id, membership: first) }
        for number in 0..<options.clients.count {
            clients.append(Client(number: number, seed: options.seed))
        }
        // The last one, which asks in the phases after the first.
        clients.append(Client(number: options.clients.count, seed: options.seed))
    }

    /// Runs to the end, or to the first thing that is wrong.
    func run() -> RunResult {
        begin()
        while failure == nil, phase < .over, takeNextEvent() {}
        if failure == nil, phase < .over { fail("nothing is going to happen any more") }
        if failure == nil { judgeHistory() }
        return RunResult(
            seed: options.seed,
            failure: failure,
            counts: counts,
            simulated: now,
            fingerprint: fingerprint,
            nodes: options.nodes
        )
    }

    /// False where nothing is going to happen any more.
    func takeNextEvent() -> Bool {
        guard let (time, event) = queue.next() else { return false }
        now = time
        counts[.events] += 1
        handle(event)
        return true
    }

    func begin() {
        for node in nodes {
            queue.schedule(
                .start(node.number, epoch: 0),
                at: node.schedulingRandom.below(options.electionTimeout)
            )
        }
        for client in clients.dropLast() {
            queue.schedule(.wake(client: client.number), at: options.electionTimeout)
        }
        scheduleFaults()
        scheduleAimed()
        queue.schedule(.look, at: options.duration)
    }

    private func handle(_ event: Event) {
        switch event {
        case .turn(let number, let epoch):
            if let process = process(number, epoch) { beginTurn(nodes[number - 1], process) }
        case .tick(let number, let epoch): tick(number, epoch)
        case .unstall(let number, let epoch):
            guard let process = process(number, epoch) else { return }
            process.isStalled = false
            runSteps(nodes[number - 1], process)
        case .resume(let number): resume(nodes[number - 1])
        case .input(let number, let epoch, let input): deliver(input, to: number, epoch)
        case .packet(let packet): arrive(packet)
        case .synced(let number, let epoch): synced(number, epoch)
        case .snapshotWritten(let number, let epoch, let file):
            snapshotWritten(number, epoch, file)
        case .snapshotKept(let number, let epoch, let serial, let file, let machine):
            snapshotKept(number, epoch, serial, file, machine)
        case .start(let number, let epoch):
            if nodes[number - 1].epoch == epoch { start(nodes[number - 1]) }
        case .request(let number, let request): take(request, at: nodes[number - 1])
        case .reply(let client, let attempt, let reply): answered(client, attempt, reply)
        case .wake(let client): wake(client)
        case .timeout(let client, let attempt): timedOut(client, attempt)
        case .fault(let kind): strike(kind)
        case .heal(let serial): heal(serial)
        case .aimed(let step): take(step)
        case .administer: administer()
        case .look: look()
        }
    }

    /// The process of a node, where it is still the one that `epoch` names.
    func process(_ number: Int, _ epoch: UInt64) -> Process? {
        let node = nodes[number - 1]
        return node.epoch == epoch ? node.process : nil
    }

    /// The one that leads in the highest term: others may not know yet that their time is over.
    var leadingNode: SimNode? {
        nodes.filter { $0.termLed != nil }
            .max { ($0.termLed ?? .zero) < ($1.termLed ?? .zero) }
    }

    func fail(_ reason: String) {
        guard failure == nil else { return }
        failure = reason
        note("FAILED \(reason)")
    }

    /// One line of the trace, and a part of the fingerprint.
    func note(_ line: @autoclosure () -> String) {
        guard let trace else { return }
        trace("\(now / Time.microsecond) \(line())")
    }

    func mix(_ word: UInt64) {
        fingerprint = (fingerprint ^ word ^ now) &* 0x9e37_79b9_7f4a_7c15
        fingerprint ^= fingerprint >> 31
    }
}

/// What a run came to.
package struct RunResult: Sendable {
    package var seed: UInt64
    /// What was wrong; nil where nothing was.
    package var failure: String?
    package var counts: Counts
    /// Nanoseconds.
    package var simulated: UInt64
    /// Equal for equal runs.
    package var fingerprint: UInt64
    /// Voters at the start.
    package var nodes: Int
}

/// Runs a seed. `trace` is called with one line an event.
package func simulate(
    _ options: Options,
    trace: ((String) -> Void)? = nil
) -> RunResult {
    Simulator(options: options, trace: trace).run()
}
