// A hierarchical timing wheel (Varghese and Lauck, 1987) over records that are known by number.
//
// Eleven levels of 64 slots; a slot of level L spans 64^L ms. With `current` the first millisecond
// not yet done, a timer lives on the level of the highest six-bit group in which its deadline
// differs from `current`, in the slot named by that group of the deadline: its place follows from
// (deadline, current) alone. When `current` reaches a slot of a higher level, that slot's timers
// move down (cascade).
//
// Timers are nodes of a doubly linked list through one slab, 16 bytes each; the first node's
// `previous` names its slot, so schedule and cancel touch three nodes and nothing else. One word
// per level tells the occupied slots, so an empty stretch of years costs eleven tests.
//
// Work is bounded: `due` takes a budget that each removal and each move down spends. What is left
// stays where it is, and the next call goes on there: `current` waits, and everything here is part
// of the replicated state, list order included.

package struct TimerWheel: Sendable {
    struct Node: Sendable {
        /// Milliseconds since 1970, or `unscheduled`.
        var deadline: UInt64
        /// The next timer of the slot, or `none`.
        var next: UInt32
        /// The timer before, or `slotMark + slot` for the first of a slot.
        var previous: UInt32
    }

    static let levels = 11
    static let slotsPerLevel = 64
    static let slotCount = levels * slotsPerLevel
    static let none = UInt32.max
    /// Numbers from here on name slots. Records stay below (`Limits.recordSlots`).
    static let slotMark: UInt32 = 0xffff_0000
    static let unscheduled = UInt64.max

    var nodes = PagedArray<Node>()
    /// The first timer of each slot, or `none`; slot = level * 64 + index.
    var heads = [UInt32](repeating: TimerWheel.none, count: TimerWheel.slotCount)
    /// Bit i of word L: slot i of level L has a timer.
    var occupied = [UInt64](repeating: 0, count: TimerWheel.levels)
    /// All timers before this millisecond were handed out.
    var current: MachineTime
    /// The level whose slot at `current` is being moved down, or 0. Until that is done nothing is
    /// due.
    var pendingLevel = 0
    /// How many timers are scheduled.
    package internal(set) var count = 0

    package init(startingAt start: MachineTime = .zero) { current = start }

    /// Makes room for one more record number: the one that was `slots` before.
    package mutating func addSlot() {
        precondition(nodes.count < Limits.recordSlots)
        nodes.append(Node(deadline: Self.unscheduled, next: Self.none, previous: Self.none))
    }

    /// Record numbers 0..<slots may be scheduled.
    package var slots: Int { nodes.count }

    /// When `timer` is due; nil where it is not scheduled.
    @inline(__always)
    package func deadline(of timer: UInt32) -> MachineTime? {
        let raw = nodes[Int(timer)].deadline
        return raw == Self.unscheduled ? nil : MachineTime(millisecondsSince1970: raw)
    }

    /// Schedules `timer`, or moves it if it is scheduled. A deadline that has passed is due at
    /// once.
    package mutating func schedule(_ timer: UInt32, at deadline: MachineTime) {
        if nodes[Int(timer)].deadline == Self.unscheduled {
            count += 1
        } else {
            unlink(timer)
        }
        nodes[Int(timer)].deadline = deadline.millisecondsSince1970
        link(timer, intoSlot: slot(for: deadline))
    }

    /// Forgets `timer`; nothing happens if it is not scheduled.
    package mutating func cancel(_ timer: UInt32) {
        guard nodes[Int(timer)].deadline != Self.unscheduled else { return }
        unlink(timer)
        nodes[Int(timer)].deadline = Self.unscheduled
        count -= 1
    }

    /// The place of a deadline: the level of the highest differing group, and that group's value.
    func slot(for deadline: MachineTime) -> Int {
        let start = current.millisecondsSince1970
        let target = max(deadline.millisecondsSince1970, start)
        let difference = target ^ start
        // `| 1` puts equal times on level 0.
        let level = (UInt64.bitWidth - 1 - (difference | 1).leadingZeroBitCount) / 6
        return level * Self.slotsPerLevel + Self.group(level, of: target)
    }

    /// The six bits of `time` that belong to `level`.
    @inline(__always)
    static func group(_ level: Int, of time: UInt64) -> Int {
        Int(truncatingIfNeeded: (time >> UInt64(level * 6)) & 63)
    }

    private mutating func link(_ timer: UInt32, intoSlot slot: Int) {
        let head = heads[slot]
        nodes[Int(timer)].next = head
        nodes[Int(timer)].previous = Self.slotMark + UInt32(slot)
        if head != Self.none { nodes[Int(head)].previous = timer }
        heads[slot] = timer
        occupied[slot / Self.slotsPerLevel] |= 1 << UInt64(slot % Self.slotsPerLevel)
    }

    private mutating func unlink(_ timer: UInt32) {
        let node = nodes[Int(timer)]
        if node.next != Self.none { nodes[Int(node.next)].previous = node.previous }
        guard node.previous >= Self.slotMark else {
            nodes[Int(node.previous)].next = node.next
            return
        }
        let slot = Int(node.previous - Self.slotMark)
        heads[slot] = node.next
        guard node.next == Self.none else { return }
        occupied[slot / Self.slotsPerLevel] &= ~(1 << UInt64(slot % Self.slotsPerLevel))
    }

    /// Moves timers of the pending slot to lower levels, one for each step of the budget.
    private mutating func cascade(budget: inout Int) {
        let index = Self.group(pendingLevel, of: current.millisecondsSince1970)
        let source = pendingLevel * Self.slotsPerLevel + index
        while budget > 0, heads[source] != Self.none {
            let timer = heads[source]
            unlink(timer)
            let deadline = MachineTime(millisecondsSince1970: nodes[Int(timer)].deadline)
            link(timer, intoSlot: slot(for: deadline))
            budget -= 1
        }
        if heads[source] == Self.none { pendingLevel = 0 }
    }
}

extension TimerWheel {
    /// A timer whose deadline is at or before `now`, or nil when there is none or the budget is
    /// spent. The caller cancels it or schedules it anew before it asks again. `now` must not go
    /// backwards.
    package mutating func due(at now: MachineTime, budget: inout Int) -> UInt32? {
        guard now >= current else { return nil }
        while budget > 0 {
            guard pendingLevel == 0 else {
                cascade(budget: &budget)
                continue
            }
            let head = heads[Self.group(0, of: current.millisecondsSince1970)]
            if head != Self.none {
                budget -= 1
                return head
            }
            guard let next = nextOccupied(), next.start <= now else {
                // No slot begins in between, so no timer's place depends on the bits that change.
                current = now
                return nil
            }
            current = next.start
            pendingLevel = next.level
        }
        return nil
    }

    /// No timer is due before this; nil with no timers. Exact within 64 ms of the deadline,
    /// otherwise the start of the slot of the earliest deadline: asked again from there, it comes
    /// closer.
    package var earliestDeadline: MachineTime? {
        guard count > 0 else { return nil }
        let isDueNow = heads[Self.group(0, of: current.millisecondsSince1970)] != Self.none
        guard pendingLevel == 0, !isDueNow else { return current }
        return nextOccupied()?.start
    }

    /// The first occupied slot after `current`. A lower level's slots all come before a higher
    /// one's.
    private func nextOccupied() -> (level: Int, start: MachineTime)? {
        let now = current.millisecondsSince1970
        for level in 0..<Self.levels {
            // Shifting by 64 gives zero: behind the last slot there is none.
            let later = UInt64.max << UInt64(Self.group(level, of: now) + 1)
            let candidates = occupied[level] & later
            guard candidates != 0 else { continue }
            let shift = UInt64(level * 6)
            // Shifting by 66 gives zero: above the top level's bits there are none.
            let prefix = (now >> (shift + 6)) << (shift + 6)
            let start = prefix | UInt64(candidates.trailingZeroBitCount) << shift
            return (level, MachineTime(millisecondsSince1970: start))
        }
        return nil
    }
}
