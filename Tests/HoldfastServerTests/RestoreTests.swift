// Which sessions a restore is told to end.

import HoldfastWire
import Testing

@testable import HoldfastServer

@Suite("The handles that a restore is given")
struct RestoreTests {
    private let handles = [SessionHandle(high: 1, low: 2), SessionHandle(high: 3, low: 1 << 20)]
        // The slot, in the lowest bits, follows from the rest of the text.
        .map { Self.wellFormed($0) }

    /// The handle of the same random bits whose slot is the one of its text.
    private static func wellFormed(_ handle: SessionHandle) -> SessionHandle {
        let mask = UInt64(HashSlot.count - 1)
        for slot in 0..<HashSlot.count {
            let next = SessionHandle(high: handle.high, low: handle.low & ~mask | UInt64(slot))
            if SessionHandle(text: next.text) == next { return next }
        }
        preconditionFailure("every handle has a slot")
    }

    @Test("the first word of a line; empty lines and remarks are passed over")
    func lines() throws {
        let text = """
            # ended since

            \(handles[0]) logout 2026-11-28
            \t\(handles[1])\tx
            """
        #expect(try Restore.handles(in: text).get() == handles)
        #expect(try Restore.handles(in: "").get() == [])
    }

    @Test("a line with something else is named: nothing is ended by half")
    func badLine() {
        let text = "\(handles[0])\n\(handles[1].text.dropLast())\n"
        #expect(Restore.handles(in: text) == .failure(Restore.BadLine(number: 2)))
    }
}
