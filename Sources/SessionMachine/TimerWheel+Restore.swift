// A wheel is written to a snapshot as the lists of its slots, in order, and put together again from
// them. The bytes may be foreign: each timer must be known, scheduled, linked once, and in the one
// slot where its deadline belongs.

import Bytes

extension TimerWheel {
    /// The first timer of a slot, or nil; slots are numbered 0..<704.
    func first(inSlot slot: Int) -> UInt32? {
        heads[slot] == Self.none ? nil : heads[slot]
    }

    /// The timer after `timer` in its slot.
    func timer(after timer: UInt32) -> UInt32? {
        let next = nodes[Int(timer)].next
        return next == Self.none ? nil : next
    }

    /// Adds a record number whose deadline is known and whose place in a list will follow.
    mutating func restoreSlot(deadline: MachineTime?) {
        addSlot()
        guard let deadline else { return }
        nodes[nodes.count - 1].deadline = deadline.millisecondsSince1970
    }

    /// Where the wheel stood. Comes before the lists.
    mutating func restorePosition(
        current: MachineTime,
        pendingLevel: Int
    ) throws(DecodeError) {
        guard pendingLevel >= 0, pendingLevel < Self.levels else {
            throw .invalid("no such wheel level")
        }
        self.current = current
        self.pendingLevel = pendingLevel
    }

    /// Puts `timer` at the end of a slot's list; `tail` is that list's last timer so far.
    mutating func restore(
        _ timer: UInt32,
        inSlot slot: Int,
        after tail: UInt32?
    ) throws(DecodeError) {
        guard timer < nodes.count else { throw .invalid("a timer without a record") }
        let node = nodes[Int(timer)]
        guard node.previous == Self.none else { throw .invalid("a timer in two lists") }
        guard let deadline = deadline(of: timer), belongs(deadline, inSlot: slot) else {
            throw .invalid("a timer in the wrong slot")
        }
        if let tail {
            nodes[Int(tail)].next = timer
            nodes[Int(timer)].previous = tail
        } else {
            heads[slot] = timer
            nodes[Int(timer)].previous = Self.slotMark + UInt32(slot)
            occupied[slot / Self.slotsPerLevel] |= 1 << UInt64(slot % Self.slotsPerLevel)
        }
        count += 1
    }

    /// Whether a deadline has its place in `slot`, or waits there to be moved down.
    func belongs(_ deadline: MachineTime, inSlot slot: Int) -> Bool {
        let place = self.slot(for: deadline)
        guard place != slot else { return true }
        guard pendingLevel > 0, place / Self.slotsPerLevel < pendingLevel else { return false }
        let index = Self.group(pendingLevel, of: current.millisecondsSince1970)
        return slot == pendingLevel * Self.slotsPerLevel + index
    }
}
