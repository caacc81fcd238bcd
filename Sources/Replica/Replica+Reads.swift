// Reads whose barrier holds and whose index is applied.

import RaftCore
import SessionMachine

extension Replica {
    mutating func serveReads(at now: MachineTime, _ effects: inout ReplicaEffects) {
        while let (reads, validUntil) = barriers.takeServable(applied: applied) {
            if let validUntil, validUntil <= clock {
                // The lease ended while the read waited for the machine: it asks anew.
                for waiting in reads { repark(waiting, &effects) }
                continue
            }
            for waiting in reads { serve(waiting, until: validUntil, at: now, &effects) }
        }
    }

    /// Says that the machine may be read, or gathers what must be logged before.
    private mutating func serve(
        _ waiting: ReadBarriers.Waiting,
        until validUntil: Instant?,
        at now: MachineTime,
        _ effects: inout ReplicaEffects
    ) {
        guard case .validate(let proof) = waiting.use else {
            return effects.answer(waiting.token, .readable(validUntil: validUntil))
        }
        let validation = machine.validate(
            proof.handle,
            proof.digest,
            now: now,
            purpose: proof.purpose
        )
        switch validation.followUp {
        case .answer:
            effects.answer(waiting.token, .readable(validUntil: validUntil))
        case .logTouch, .logTime:
            guard room != .exhausted else { return effects.answer(waiting.token, .noRoom) }
            // Its use, or its end, must be in the log before the answer may leave: the next leader
            // has to know of it.
            proposals.gather(validation.followUp, of: proof, waiting.token)
        }
    }
}
