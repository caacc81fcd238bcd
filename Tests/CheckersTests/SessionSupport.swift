// What the histories of sessions have in common: the clocks, the rules, and short words.

import Checkers

private let clocks = ClockBounds(spread: 5, settled: 50_000, lateBy: 100)
private let rules = SessionRules(
    granularityDivisor: 16,
    granularityMax: 1_000,
    expiredGrace: 60_000,
    tombstoneFloor: 600_000
)
let sessionModel = SessionModel(clocks: clocks, rules: rules)
let sessionOracle = SessionOracle(clocks: clocks, rules: rules)

func attempt(
    _ called: UInt64,
    _ call: SessionCall,
    _ reply: SessionReply?
) -> SessionModel.Attempt {
    guard let reply else { return SessionModel.Attempt(process: 0, called: called, call: call) }
    return SessionModel.Attempt(
        process: 0,
        called: called,
        returned: called + 1,
        call: call,
        reply: reply
    )
}

func isSound(_ history: [SessionModel.Attempt]) -> Bool {
    sessionModel.verdict(on: history) == .sound && sessionOracle.judge(history) == .sound
}
