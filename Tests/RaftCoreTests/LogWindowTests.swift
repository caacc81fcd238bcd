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

    /// An array of all entries ever appended, and four numbers.
    private struct Model {
        var entries: [Entry] = []
        var base = 0
        var durable = 0
        var handedOut = 0
        var term: UInt64 = 1

        mutating func truncate(keeping count: Int) {
            entries.removeLast(entries.count - count)
            durable = min(durable, count)
            handedOut = min(handedOut, count)
            term += 1
        }

        func expectEqual(_ window: LogWindow, _ random: inout SeededRandom) {
            #expect(window.count == entries.count - base)
            #expect(window.last == entries.last?.position ?? .origin)
            #expect(window.base == (base == 0 ? .origin : entries[base - 1].position))
            #expect(window.durable.rawValue == UInt64(durable))
            #expect(window.handedOut.rawValue == UInt64(handedOut))
            let start = Int.random(in: base...entries.count, using: &random)
            let end = Int.random(in: start...entries.count, using: &random)
            let (after, through) = (LogIndex(UInt64(start)), LogIndex(UInt64(end)))
            let part = Array(entries[start..<end])
            #expect(window.slice(after: after, through: through) == part)
            let bytes = part.reduce(0) { $0 + $1.payloadBytes }
            #expect(window.payloadBytes(after: after, through: through) == bytes)
            if start > base { #expect(window[after] == entries[start - 1]) }
        }
    }

    /// The runs are long enough to cross the window's chunks.
    @Test("agrees with a plain array over random appends, cuts, syncs and compactions")
    func model() {
        var operations = 0
        var cuts = 0
        var compactions = 0
        for seed in 1...50 as ClosedRange<UInt64> {
            var random = SeededRandom(seed)
            var window = log([])
            var model = Model()
            for _ in 0..<400 {
                operations += 1
                switch random.next() % 8 {
                case 0 where model.entries.count > model.base:
                    let keep = Int.random(in: model.base...model.entries.count - 1, using: &random)
                    window.truncate(from: LogIndex(UInt64(keep + 1)))
                    model.truncate(keeping: keep)
                    cuts += 1
                case 1:
                    #expect(window.unsaved == Array(model.entries[model.handedOut...]))
                    window.markHandedOut()
                    model.handedOut = model.entries.count
                case 2:
                    window.markDurable()
                    model.durable = model.handedOut
                case 3:
                    model.base = Int.random(in: model.base...model.durable, using: &random)
                    window.compact(through: LogIndex(UInt64(model.base)))
                    compactions += 1
                default:
                    for _ in 0..<Int.random(in: 1...300, using: &random) {
                        let entry = command(model.term, UInt64(model.entries.count + 1))
                        window.append(entry)
                        model.entries.append(entry)
                    }
                }
                window.releaseSome()
                model.expectEqual(window, &random)
            }
        }
        #expect(operations == 20_000)
        #expect(cuts > 1_000)
        #expect(compactions > 1_000)
    }

    @Test("what is dropped gives its memory back by and by, not at once")
    func memoryComesBack() {
        var window = log([UInt64](repeating: 1, count: 10_000))
        #expect(window.isReleased)
        window.compact(through: LogIndex(9_999))
        #expect(window.count == 1)
        var calls = 0
        while !window.isReleased, calls < 1_000 {
            window.releaseSome()
            calls += 1
        }
        #expect((2...100).contains(calls))
        #expect(window[LogIndex(10_000)].position == position(1, 10_000))
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
