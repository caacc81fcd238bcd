// A checker that cannot fail checks nothing. Each check of the harness and of the storm's clients
// has a test here in which it does.

import RaftCore
import SessionMachine
import Testing

@testable import Replica

@Suite
struct PlantedHarnessTests {
    @Test
    func anotherStateAfterTheSameEntriesIsFound() {
        var group = Group()
        let leader = group.elect()
        group.write(store("a"), at: leader)
        group.tickAll(count: 3, standing: true)
        #expect(group.broken == nil)
        // One record more than the log gave it.
        _ = group.members[2].replica.machine.apply(store("b"))
        group.tickAll()
        #expect(group.broken == "node 3: another state after entry 2")
    }

    @Test
    func anAnswerThatComesTwiceIsFound() {
        var group = Group()
        let leader = group.elect()
        let token = group.submit(.write(store("a")), at: leader)
        group.settle()
        #expect(group.broken == nil)
        group.turn(leader) { _, effects in effects.answer(token, .applied(.ok)) }
        #expect(group.broken == "1 is answered twice")
    }

    @Test
    func anAnswerToNobodyIsFound() {
        var group = Group()
        group.turn(NodeID(1)) { _, effects in
            effects.answer(RequestToken(rawValue: 9), .noLeader)
        }
        #expect(group.broken == "9 was never asked")
    }

    @Test
    func anAnswerOfAnotherNodeIsFound() {
        var group = Group()
        let token = group.submit(.read, at: NodeID(1))
        group.turn(NodeID(2)) { _, effects in effects.answer(token, .noLeader) }
        #expect(group.broken == "1 is answered by another node")
    }

    @Test
    func anAnswerToARequestThatACrashForgotIsFound() {
        var group = Group()
        let token = group.submit(.read, at: NodeID(1))
        group.crash(NodeID(1))
        group.restart(NodeID(1))
        group.turn(NodeID(1)) { _, effects in effects.answer(token, .readable(validUntil: nil)) }
        #expect(group.broken == "1 is answered by a node that forgot it")
    }

    @Test(arguments: [
        (Request.read, Answer.applied(.ok)), (.validate(proof(1)), .applied(.ok)),
        (.write(.time), .readable(validUntil: nil)), (.read, .unknown),
    ])
    func anAnswerThatDoesNotFitIsFound(request: Request, answer: Answer) {
        var group = Group()
        let token = group.submit(request, at: NodeID(1))
        group.turn(NodeID(1)) { _, effects in effects.answer(token, answer) }
        #expect(group.broken == "1 got \(answer.word), which does not fit its request")
    }

    @Test
    func aRedirectToItselfIsFound() {
        var group = Group()
        let token = group.submit(.read, at: NodeID(1))
        group.turn(NodeID(1)) { _, effects in effects.answer(token, .redirect(NodeID(1))) }
        #expect(group.broken == "node 1 redirects to itself")
    }

    @Test
    func aSecondBatchWithTheDiskIsFound() {
        var group = Group()
        let leader = group.elect()
        let mark = PersistMark(hardStateTerm: .zero, last: .origin)
        let batch = PersistBatch(mark: mark, hardState: HardState(), entries: [])
        group.members[group.index(of: leader)].writing = batch
        group.submit(.write(store("a")), at: leader)
        #expect(group.broken == "two batches with one disk")
    }

    /// Also the one way to see a replica refuse to go on: an entry that cannot be read.
    @Test
    func aReplicaThatStopsIsFound() {
        var group = Group()
        let leader = group.elect()
        let raft = group[leader].raft
        let entry = Entry(
            term: raft.term,
            index: raft.log.last.index.next,
            content: .command([0xff, 0xff])
        )
        let request = AppendRequest(
            previous: raft.log.last,
            entries: [entry],
            commit: entry.index
        )
        let follower = group.followers(of: leader)[0]
        let message = Message(
            from: leader,
            to: follower,
            term: raft.term,
            body: .appendRequest(request)
        )
        group.turn(follower) { replica, _ in replica.receive(message, at: .zero) }
        let reason = StopReason.undecodableEntry(Group.id, entry.position)
        #expect(group.broken == "node \(follower.rawValue) stops: \(reason)")
    }

    @Test
    func aGroupThatElectsNobodyIsFound() {
        var group = Group()
        group.crash(NodeID(1))
        group.crash(NodeID(2))
        group.elect(ticksMax: 50)
        #expect(group.broken == "nobody was elected")

        var other = Group()
        other.isolate(NodeID(1))
        other.campaign(NodeID(1))
        #expect(other.broken == "node 1 was not elected")
    }

    @Test
    func aRequestThatIsNeverAnsweredIsFound() {
        var storm = Storm(seed: 1, size: 3)
        _ = storm.group.answers.ask(.read, at: NodeID(1))
        storm.run(steps: 0)
        #expect(storm.broken == "1 requests are not answered")
    }

    @Test
    func aDeliveryOfNothingIsFound() {
        var group = Group()
        group.deliver(at: 0)
        #expect(group.broken == "there is nothing to deliver")
    }

    @Test
    func aNodeThatLagsAtTheEndIsFound() {
        var storm = Storm(seed: 1, size: 3)
        storm.run(steps: 0)
        let leader = storm.group.elect()
        storm.group.isolate(storm.group.followers(of: leader)[0])
        storm.group.write(store("a"), at: leader)
        storm.checkRest(leader)
        #expect(storm.broken?.hasSuffix("lags") == true)
    }

    @Test
    func machinesThatDifferAtTheEndAreFound() {
        var storm = Storm(seed: 1, size: 3)
        storm.run(steps: 0)
        #expect(storm.broken == nil)
        let leader = storm.group.elect()
        let follower = storm.group.followers(of: leader)[0]
        storm.group.members[storm.group.index(of: follower)].replica.machine.flip()
        storm.checkRest(leader)
        #expect(storm.broken == "digests differ")
    }
}

@Suite
struct PlantedClientTests {
    private static func machine(_ commands: Command...) -> SessionMachine {
        var machine = SessionMachine(seed: HashSeed(low: 1, high: 2))
        machine.beginEntry(at: .testStart, commandCount: commands.count)
        for command in commands { _ = machine.apply(command) }
        return machine
    }

    private static let end = MachineTime.testStart.advanced(by: hours(100))

    private static func failure(
        _ session: StormClient.Session,
        _ machine: SessionMachine
    ) -> String? {
        var client = StormClient()
        client.sessions[1] = session
        client.checkEnd(machine)
        return client.failure
    }

    @Test
    func aLostSessionIsFound() {
        let session = StormClient.Session(created: .done, end: Self.end)
        #expect(Self.failure(session, Self.machine(login(1))) == nil)
        #expect(Self.failure(session, Self.machine()) == "session 1 must hold and is unknown")
        let revoked = Self.machine(login(1), logout(1))
        #expect(Self.failure(session, revoked) == "session 1 must hold and is revoked")
    }

    @Test
    func aRevokedSessionThatValidatesIsFound() {
        let session = StormClient.Session(created: .done, revoked: .done, end: Self.end)
        #expect(Self.failure(session, Self.machine(login(1), logout(1))) == nil)
        #expect(Self.failure(session, Self.machine(login(1))) == "session 1 is revoked and valid")
    }

    @Test
    func aSessionThatWasNotCreatedAndIsThereIsFound() {
        let session = StormClient.Session(created: .not)
        #expect(Self.failure(session, Self.machine()) == nil)
        #expect(
            Self.failure(session, Self.machine(login(1)))
                == "session 1 was not created and is valid"
        )
    }

    @Test
    func aSessionThatOutlivesItsEndIsFound() {
        let session = StormClient.Session(created: .done, end: .testStart)
        #expect(Self.failure(session, Self.machine(login(1))) == "session 1 is over and valid")
    }

    @Test
    func aValueAgainstItsAnswerIsFound() {
        var client = StormClient()
        client.stored["a"] = .done
        client.checkEnd(Self.machine())
        #expect(client.failure == "a was acknowledged and is lost")

        client = StormClient()
        client.stored["a"] = .not
        client.checkEnd(Self.machine(store("a")))
        #expect(client.failure == "a was certain not to happen and is there")
    }

    @Test
    func anOutcomeOfAnotherCommandIsFound() {
        var storm = Storm(seed: 1, size: 3)
        let leader = storm.group.elect()
        let token = storm.group.submit(.write(store("a")), at: leader)
        storm.client.prepare(.create(1))
        storm.client.asked(.create(1), token, at: storm.group.now)
        storm.group.settle()
        storm.client.hear(&storm.group)
        #expect(storm.broken == "create(1) came out as ok")
    }

    /// The same checks at an answer, where the machine is the one that the answer came with.
    @Test
    func aReadThatMissesAnAcknowledgedWriteIsFound() {
        var storm = Storm(seed: 1, size: 3)
        let leader = storm.group.elect()
        storm.client.stored["a"] = .done
        let look = storm.group.submit(.read, at: leader)
        storm.client.asked(.look("a"), look, at: storm.group.now)
        storm.group.settle()
        storm.client.hear(&storm.group)
        #expect(storm.broken == "a was acknowledged and is lost")
    }

    @Test
    func aValidateOfARevokedSessionIsFound() {
        var storm = Storm(seed: 1, size: 3)
        let leader = storm.group.elect()
        storm.group.write(login(1), at: leader)
        storm.client.sessions[1] = StormClient.Session(
            created: .done,
            revoked: .done,
            end: Self.end
        )
        let token = storm.group.submit(.validate(proof(1)), at: leader)
        storm.client.asked(.validate(1), token, at: storm.group.now)
        storm.group.settle()
        storm.client.hear(&storm.group)
        #expect(storm.broken == "session 1 is revoked and valid")
    }
}
