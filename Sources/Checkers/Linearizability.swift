// Is there an order of the operations, each at some moment between its call and its reply, in which
// one copy of the object would have given the same replies?
//
// The search is that of Wing and Gong (1993) with the memory of Lowe (2017): events stand in a list
// by time; an operation whose call stands before every reply may come first. It is lifted out of
// the list and the search goes on, until no reply is left. A set of operations done, together with
// a state, is looked at once. An operation of which nobody knows when it was over has no reply to
// wait for: it may be lifted at any time, or be left.
//
// It must never report `broken` for a history that some order explains, however long the search.

/// An object by its sequential behaviour.
package protocol SequentialModel {
    associatedtype State: Hashable
    associatedtype Call: Sendable
    associatedtype Reply: Sendable

    var initial: State { get }

    /// Every state in which `operation` may leave the object, where it takes effect within `moment`
    /// (from its call to the next reply that is left), finds it in `state`, and its reply is as it
    /// says (any, where it has none). Empty where it cannot happen; nil where there are too many to
    /// tell.
    func states(
        after operation: Operation<Call, Reply>,
        within moment: Window,
        in state: State
    ) -> [State]?
}

package enum Limits {
    /// States tried for one object before the search is given up: some seconds.
    package static let searchStepsMax = 400_000
    /// Sessions of one subject that may or may not be over, taken apart one by one.
    package static let doubtfulSessionsMax = 12
}

extension SequentialModel {
    /// Judges the history of one object. The order of `history` does not matter.
    package func judge(
        _ history: [Operation<Call, Reply>],
        stepsMax: Int = Limits.searchStepsMax
    ) -> Verdict {
        var search = Search(model: self, history: history)
        return search.run(stepsMax: stepsMax)
    }
}

private struct Search<Model: SequentialModel> {
    private struct Event {
        var operation: Int
        var isReply: Bool
        var next: Int
        var previous: Int
    }

    /// An operation that was lifted, and the other states it might have led to.
    private struct Step {
        var operation: Int
        var before: Model.State
        var others: ArraySlice<Model.State>
    }

    private struct Seen: Hashable {
        var done: [UInt64]
        var state: Model.State
    }

    private let model: Model
    private let history: [Operation<Model.Call, Model.Reply>]
    /// Events 1...; 0 is the head of the list.
    private var events: [Event] = []
    private var callEvent: [Int]
    private var replyEvent: [Int]
    private var repliesLeft = 0
    private var steps: [Step] = []
    private var done: [UInt64]
    private var seen: Set<Seen> = []
    /// The model could not tell.
    private var isLost = false
    private var longest = 0
    private var blocked = 0

    init(model: Model, history: [Operation<Model.Call, Model.Reply>]) {
        self.model = model
        self.history = history.enumerated()
            .sorted { ($0.element.called, $0.offset) < ($1.element.called, $1.offset) }
            .map(\.element)
        callEvent = Array(repeating: 0, count: history.count)
        replyEvent = Array(repeating: 0, count: history.count)
        done = Array(repeating: 0, count: (history.count + 63) / 64)
        link()
    }

    /// Puts the events into the list. At one and the same time calls come first: then the two
    /// overlap.
    private mutating func link() {
        var order: [(time: UInt64, rank: Int, operation: Int)] = []
        for (number, operation) in history.enumerated() {
            order.append((operation.called, 0, number))
            guard let returned = operation.returned else { continue }
            order.append((returned, 1, number))
            repliesLeft += 1
        }
        order.sort { ($0.time, $0.rank, $0.operation) < ($1.time, $1.rank, $1.operation) }
        events = [Event(operation: -1, isReply: false, next: 0, previous: 0)]
        for (place, event) in order.enumerated() {
            let isLast = place == order.count - 1
            if event.rank == 0 { callEvent[event.operation] = place + 1 }
            if event.rank == 1 { replyEvent[event.operation] = place + 1 }
            events.append(
                Event(
                    operation: event.operation,
                    isReply: event.rank == 1,
                    next: isLast ? 0 : place + 2,
                    previous: place
                )
            )
        }
        if !order.isEmpty {
            events[0].next = 1
            events[0].previous = order.count
        }
    }

    mutating func run(stepsMax: Int) -> Verdict {
        var state = model.initial
        var place = events[0].next
        var tried = 0
        while repliesLeft > 0 {
            tried += 1
            if tried > stepsMax || isLost { return .undecided }
            let event = events[place]
            if !event.isReply, place != 0 {
                if advance(event.operation, &state) {
                    place = events[0].next
                } else {
                    place = event.next
                }
                continue
            }
            if event.operation >= 0, steps.count >= longest {
                longest = steps.count
                blocked = event.operation
            }
            guard let next = goBack(&state) else { return isLost ? .undecided : .broken(report()) }
            place = next
        }
        return .sound
    }

    /// Lifts an operation, where that leads somewhere new.
    private mutating func advance(_ operation: Int, _ state: inout Model.State) -> Bool {
        // Its time stamp may be as old as its call, however late it takes effect.
        let moment = Window(from: history[operation].called, to: nextReply())
        let states = model.states(after: history[operation], within: moment, in: state)
        guard let candidates = states else {
            isLost = true
            return false
        }
        mark(operation, isDone: true)
        let isOpen = history[operation].returned == nil
        for (place, candidate) in candidates.enumerated() {
            // Open and without an effect, it might as well be left out.
            if isOpen, candidate == state { continue }
            guard seen.insert(Seen(done: done, state: candidate)).inserted else { continue }
            steps.append(
                Step(
                    operation: operation,
                    before: state,
                    others: candidates[(place + 1)...]
                )
            )
            state = candidate
            lift(operation)
            return true
        }
        mark(operation, isDone: false)
        return false
    }

    /// Undoes the last step, or takes another of its states. Returns the event to look at next, or
    /// nil where nothing is left to try.
    private mutating func goBack(_ state: inout Model.State) -> Int? {
        while var step = steps.popLast() {
            while let other = step.others.popFirst() {
                guard seen.insert(Seen(done: done, state: other)).inserted else { continue }
                steps.append(step)
                state = other
                return events[0].next
            }
            state = step.before
            mark(step.operation, isDone: false)
            unlift(step.operation)
            let following = events[callEvent[step.operation]].next
            // The end of the list stands for a reply: nothing after it can be lifted.
            return following
        }
        return nil
    }

    /// Whatever is lifted next takes effect before the first reply that is left.
    private func nextReply() -> UInt64 {
        var place = events[0].next
        while place != 0, !events[place].isReply { place = events[place].next }
        return place == 0 ? .max : history[events[place].operation].latest
    }

    private mutating func mark(_ operation: Int, isDone: Bool) {
        let bit = UInt64(1) << UInt64(operation % 64)
        if isDone { done[operation / 64] |= bit } else { done[operation / 64] &= ~bit }
    }

    private mutating func lift(_ operation: Int) {
        remove(callEvent[operation])
        guard replyEvent[operation] != 0 else { return }
        remove(replyEvent[operation])
        repliesLeft -= 1
    }

    private mutating func unlift(_ operation: Int) {
        if replyEvent[operation] != 0 {
            restore(replyEvent[operation])
            repliesLeft += 1
        }
        restore(callEvent[operation])
    }

    private mutating func remove(_ event: Int) {
        events[events[event].previous].next = events[event].next
        events[events[event].next].previous = events[event].previous
    }

    private mutating func restore(_ event: Int) {
        events[events[event].previous].next = event
        events[events[event].next].previous = event
    }

    private func report() -> String {
        let operation = history[blocked]
        return "no order explains the reply of client \(operation.process): "
            + "\(operation.call) -> \(operation.reply.map { "\($0)" } ?? "any"), "
            + "called at \(operation.called), answered at \(operation.latest)"
    }
}
