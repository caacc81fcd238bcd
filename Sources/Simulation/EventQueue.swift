// What will happen, by time; at one and the same time, by the order in which it was scheduled. A
// binary heap of small keys; what they stand for lies beside it.

/// Events of the simulated world, in the order of their times.
struct EventQueue<Payload> {
    private struct Key {
        var time: UInt64
        var sequence: UInt64
        var slot: Int

        func isBefore(_ other: Key) -> Bool {
            time == other.time ? sequence < other.sequence : time < other.time
        }
    }

    private var heap: [Key] = []
    private var payloads: [Payload?] = []
    private var free: [Int] = []
    private var sequence: UInt64 = 0

    var count: Int { heap.count }

    mutating func schedule(_ payload: Payload, at time: UInt64) {
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            payloads[slot] = payload
        } else {
            slot = payloads.count
            payloads.append(payload)
        }
        sequence += 1
        heap.append(Key(time: time, sequence: sequence, slot: slot))
        rise(heap.count - 1)
    }

    /// Takes the next event out.
    mutating func next() -> (time: UInt64, payload: Payload)? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        guard let payload = payloads[first.slot] else {
            preconditionFailure("a key stands for a payload")
        }
        payloads[first.slot] = nil
        free.append(first.slot)
        return (first.time, payload)
    }

    private mutating func rise(_ start: Int) {
        var place = start
        let key = heap[place]
        while place > 0 {
            let parent = (place - 1) / 2
            guard key.isBefore(heap[parent]) else { break }
            heap[place] = heap[parent]
            place = parent
        }
        heap[place] = key
    }

    private mutating func sink() {
        var place = 0
        let key = heap[0]
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(key) else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = key
    }
}
