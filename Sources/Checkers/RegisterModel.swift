// One plain key: a register with conditional writes and an expiry. Values are numbers, each written
// once, so that a read says which write it saw.

package enum RegisterCall: Hashable, Sendable {
    case get
    case set(RegisterSet)
    case delete
    /// GETDEL.
    case take
    /// GETEX: a read that also sets the expiry.
    case getExpiring(RegisterExpiry)
    /// EXPIRE; the life from now.
    case expire(UInt64)
    case persist
}

package struct RegisterSet: Hashable, Sendable {
    package enum Condition: Hashable, Sendable { case always, ifAbsent, ifPresent }

    package var value: UInt64
    package var condition: Condition
    package var expiry: RegisterExpiry
    /// SET GET.
    package var returnsOld: Bool

    package init(
        value: UInt64,
        condition: Condition = .always,
        expiry: RegisterExpiry = .clear,
        returnsOld: Bool = false
    ) {
        self.value = value
        self.condition = condition
        self.expiry = expiry
        self.returnsOld = returnsOld
    }
}

package enum RegisterExpiry: Hashable, Sendable {
    case clear
    case keep
    /// Nanoseconds from now.
    case after(UInt64)
}

package enum RegisterReply: Hashable, Sendable {
    case ok
    case notStored
    case value(UInt64?)
    case integer(Int)
}

package struct RegisterModel: SequentialModel {
    package struct State: Hashable, Sendable {
        package var value: UInt64?
        /// When the value ends; nil where it does not.
        package var end: Window?
    }

    package typealias Call = RegisterCall
    package typealias Reply = RegisterReply

    private let clocks: ClockBounds

    package init(clocks: ClockBounds) { self.clocks = clocks }

    package var initial: State { State() }

    package func states(
        after operation: Operation<RegisterCall, RegisterReply>,
        within moment: Window,
        in state: State
    ) -> [State]? {
        var results: [State] = []
        for found in self.found(operation.call, moment, state) {
            let (after, reply) = apply(operation.call, moment, to: found)
            if let seen = operation.reply, seen != reply { continue }
            if !results.contains(after) { results.append(after) }
        }
        return results
    }

    /// The value may be there still, or have expired, or both are possible.
    private func found(
        _ call: RegisterCall,
        _ moment: Window,
        _ state: State
    ) -> [State] {
        guard state.value != nil, let end = state.end else { return [state] }
        let isRead = call == .get
        let isGone =
            clocks.mustBeGone(end, at: moment.from)
            || (!isRead && clocks.mustBeOver(end, at: moment.from))
        if isGone { return [State()] }
        return clocks.mayBeOver(end, by: moment.to) ? [state, State()] : [state]
    }

    private func apply(
        _ call: RegisterCall,
        _ moment: Window,
        to state: State
    ) -> (State, RegisterReply) {
        switch call {
        case .get: return (state, .value(state.value))
        case .delete: return (State(), .integer(state.value == nil ? 0 : 1))
        case .take: return (State(), .value(state.value))
        case .set(let set):
            let isStored =
                switch set.condition {
                case .always: true
                case .ifAbsent: state.value == nil
                case .ifPresent: state.value != nil
                }
            let old = RegisterReply.value(state.value)
            guard isStored else { return (state, set.returnsOld ? old : .notStored) }
            let end = end(after: set.expiry, moment, state)
            return (State(value: set.value, end: end), set.returnsOld ? old : .ok)
        case .getExpiring(let expiry):
            guard state.value != nil else { return (state, .value(nil)) }
            let end = end(after: expiry, moment, state)
            return (State(value: state.value, end: end), .value(state.value))
        case .expire(let life):
            guard state.value != nil else { return (state, .integer(0)) }
            let end = end(after: .after(life), moment, state)
            return (State(value: state.value, end: end), .integer(1))
        case .persist:
            guard state.end != nil else { return (state, .integer(0)) }
            return (State(value: state.value, end: nil), .integer(1))
        }
    }

    private func end(
        after expiry: RegisterExpiry,
        _ moment: Window,
        _ state: State
    ) -> Window? {
        switch expiry {
        case .clear: nil
        case .keep: state.end
        case .after(let life):
            clocks.end(after: life, within: moment)
        }
    }
}

extension RegisterModel {
    /// The same as `judge`. Here the compiler knows what it searches, which makes it several times
    /// as fast as a search that is asked for from another module.
    package func verdict(on history: [Operation<Call, Reply>]) -> Verdict { judge(history) }
}
