import RaftCore
import Replica
import SessionMachine
import Testing

@testable import Simulation

@Suite("The judge of a leader whose disk is short of room")
struct RoomJudgeTests {
    private static let set = Command.set(SetValue(key: Key([1]), value: [2]))
    private static let attest = Command.attest(Attestation(index: 1, votes: []))

    private func entry(_ index: UInt64, _ commands: [Command]) -> Entry {
        let payload = EntryPayload.encode(time: MachineTime(millisecondsSince1970: 1), commands)
        return Entry(term: Term(1), index: LogIndex(index), content: .command(payload[...]))
    }

    @Test("what it may take in, and what it may not")
    func verdicts() {
        let cases: [(commands: [Command], low: Bool, exhausted: Bool)] = [
            ([.time], true, false), ([Self.attest], true, true),
            ([Self.attest, .time], true, false),
            ([Self.set], false, false), ([.time, Self.set], false, false), ([], true, true),
        ]
        for (commands, mayLow, mayExhausted) in cases {
            let entries = [entry(7, [.time]), entry(8, commands)]
            #expect(RoomJudge.broken(entries, with: .ample) == nil)
            #expect((RoomJudge.broken(entries, with: .low) == nil) == mayLow)
            let alone = Array(entries.suffix(1))
            #expect((RoomJudge.broken(alone, with: .exhausted) == nil) == mayExhausted)
        }
        let noop = Entry(term: Term(1), index: LogIndex(9), content: .noop)
        #expect(RoomJudge.broken([noop], with: .exhausted) == nil)
        let nonsense = Entry(term: Term(1), index: LogIndex(9), content: .command([9, 9]))
        #expect(RoomJudge.broken([nonsense], with: .low) != nil)
    }
}
