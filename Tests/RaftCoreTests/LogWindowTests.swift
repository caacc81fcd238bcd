import RaftCore
import TestKit
import Testing

@Suite("The log in memory")
struct LogWindowTests {
    private func log(_ terms: [UInt64], base: LogPosition = .origin) -> LogWindow {
        let entries = terms.enumerated().map { offset, term in
            command(term, base.index.rawValue + UInt64(offset + 1))
        }
        return LogWindow(base: base, stored: entries)
    }

    @Test("an empty log ends at its base")
    func empty() {
        let window = log([], base: position(3, 7))
        #expect(window.last == position(3, 7))
        #expect(window.term(at: LogIndex(7)) == Term(3))
        #expect(window.term(at: LogIndex(6)) == nil)
        #expect(window.term(at: LogIndex(8)) == nil)
        #expect(window.unsaved.isEmpty)
    }

    /// The window against the plainest model there is: an array and two numbers.
    @Test("agrees with a plain array over random appends, cuts and syncs")
    func model() {
        var operations = 0
        var cuts = 0
        for seed in 1...50 as ClosedRange<UInt64> {
            var random = SeededRandom(seed)
            var window = log([])
            var model: [Entry] = []
            var durable = 0
            var handedOut = 0
            var term: UInt64 = 1
            for _ in 0..<400 {
                operations += 1
                switch random.next() % 6 {
                case 0 where !model.isEmpty:
                    let keep = Int(random.next() % UInt64(model.count))
                    window.truncate(from: LogIndex(UInt64(keep + 1)))
                    model.removeLast(model.count - keep)
                    durable = min(durable, keep)
                    handedOut = min(handedOut, keep)
                    term += 1
                    cuts += 1
                case 1:
                    #expect(Array(window.unsaved) == Array(model[handedOut...]))
                    window.markHandedOut()
                    handedOut = model.count
                case 2:
                    window.markDurable()
                    durable = handedOut
                default:
                    let entry = command(term, UInt64(model.count + 1))
                    window.append(entry)
                    model.append(entry)
                }
                #expect(window.last == model.last?.position ?? .origin)
                #expect(window.durable.rawValue == UInt64(durable))
                #expect(window.handedOut.rawValue == UInt64(handedOut))
            }
            #expect(Array(window.slice(after: .zero, through: window.last.index)) == model)
        }
        #expect(operations == 20_000)
        #expect(cuts > 1_000)
    }

    @Test("a slice keeps its bounds, and is never empty where there is an entry")
    func slices() {
        let window = log([1, 1, 2, 2, 3])
        let all = window.last.index
        #expect(
            window.slice(after: LogIndex(1), through: LogIndex(3)).map(\.index.rawValue) == [2, 3]
        )
        #expect(window.slice(after: .zero, through: all, countMax: 2).count == 2)
        #expect(window.slice(after: .zero, through: all, bytesMax: 3).count == 3)
        #expect(window.slice(after: .zero, through: all, bytesMax: 0).count == 1)
        #expect(window.slice(after: all, through: all).isEmpty)
        #expect(window.slice(after: LogIndex(2), through: LogIndex(99)).count == 3)
    }
}
