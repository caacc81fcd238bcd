// Clients and what is between them and the nodes.

import Checkers
import RaftCore
import SessionMachine

extension Simulator {
    private var probe: Int { clients.count - 1 }

    // MARK: Asking

    func wake(_ number: Int) {
        if clients[number].current == nil {
            if phase >= .whole, number != probe { return }
            if phase == .safety, now < aimed.quietUntil {
                // One after the other, as they would have come.
                let wait = clients[number].random.between(options.clients.think)
                return queue.schedule(.wake(client: number), at: aimed.quietUntil + wait)
            }
            guard let work = nextWork(number) else { return }
            clients[number].current = Client.Current(work: work)
        }
        sendAttempt(number)
    }

    private func nextWork(_ number: Int) -> Work? {
        guard clients[number].script != nil else {
            return workload.next(for: number, &clients[number].random)
        }
        guard clients[number].script?.isEmpty == false else { return nil }
        return clients[number].script?.removeFirst()
    }

    private func sendAttempt(_ number: Int) {
        guard var current = clients[number].current else { return }
        clients[number].attempt += 1
        counts[.attempts] += 1
        current.called = now
        current.isOut = true
        clients[number].current = current
        let target = target(of: number)
        let request = ClientRequest(
            client: number,
            attempt: clients[number].attempt,
            work: current.work
        )
        if !losesClientMessage(number) {
            let delay = clients[number].random.between(options.clients.latency)
            queue.schedule(.request(target, request), at: now + delay)
        }
        let patience = clients[number].random.between(options.clients.timeout)
        queue.schedule(
            .timeout(client: number, attempt: request.attempt),
            at: now + patience
        )
    }

    private func target(of number: Int) -> Int {
        let isStray = clients[number].random.chance(permille: options.clients.strayPermille)
        if clients[number].guess == 0 || isStray { return anyNode(for: number) }
        return clients[number].guess
    }

    private func anyNode(for number: Int) -> Int {
        if number == probe, phase == .core {
            // Not one that was removed long ago and knows nobody.
            let members = phases.core.filter { judge.membership[NodeID(UInt64($0))] != nil }
            return clients[number].random.pick(members.isEmpty ? phases.core : members)
        }
        return 1 + clients[number].random.below(nodes.count)
    }

    private func losesClientMessage(_ number: Int) -> Bool {
        guard phase == .safety else { return false }
        return clients[number].random.chance(permille: options.clients.lossPermille)
    }

    /// A request reaches a node.
    func take(_ request: ClientRequest, at node: SimNode) {
        guard node.life == .up, let process = node.process else {
            return sendReply(.unreachable, to: request)
        }
        var request = request
        request.floor = judge.committed
        process.inbox.append(.request(request))
        scheduleTurn(node, process)
    }

    func sendReply(_ reply: NodeReply, to request: ClientRequest) {
        guard !losesClientMessage(request.client) else { return }
        let delay = clients[request.client].random.between(options.clients.latency)
        queue.schedule(
            .reply(client: request.client, attempt: request.attempt, reply),
            at: now + delay
        )
    }

    // MARK: Answers

    func answered(_ number: Int, _ attempt: UInt64, _ reply: NodeReply) {
        guard clients[number].attempt == attempt, let current = clients[number].current,
            current.isOut
        else { return }
        clients[number].current?.isOut = false
        switch reply {
        case .done(let reply): done(number, current, reply)
        case .redirect(let leader):
            counts[.redirects] += 1
            clients[number].guess = Int(leader.rawValue)
            clients[number].current?.hops += 1
            let wait =
                current.hops < 4
                ? 0
                : clients[number].random.between(
                    20 * Time.millisecond...200 * Time.millisecond
                )
            queue.schedule(.wake(client: number), at: now + wait)
        case .noLeader:
            counts[.noLeader] += 1
            tryElsewhere(number, current)
        case .overloaded:
            counts[.overloaded] += 1
            tryElsewhere(number, current)
        case .noRoom:
            counts[.noRoom] += 1
            tryElsewhere(number, current)
        case .unreachable: tryElsewhere(number, current)
        case .unknown, .broken:
            counts[.unknown] += 1
            lost(number, current)
        }
    }

    private func lost(_ number: Int, _ current: Client.Current) {
        note("client \(number): \(current.work) of \(current.called) -> ?")
        history.lost(current.work, client: number, called: current.called)
        workload.lost(current.work)
        tryElsewhere(number, current)
    }

    func timedOut(_ number: Int, _ attempt: UInt64) {
        guard clients[number].attempt == attempt, let current = clients[number].current,
            current.isOut
        else { return }
        counts[.unknown] += 1
        clients[number].current?.isOut = false
        lost(number, current)
    }

    /// The same command, to another node; or no more, after enough tries.
    private func tryElsewhere(_ number: Int, _ current: Client.Current) {
        clients[number].guess = 0
        clients[number].current?.tries += 1
        let isProbe = number == probe
        if !isProbe, current.tries + 1 >= options.clients.triesMax { return over(number) }
        if case .session(_, .create) = current.work { counts[.retriedCreates] += 1 }
        let wait = clients[number].random.between(5 * Time.millisecond...150 * Time.millisecond)
        queue.schedule(.wake(client: number), at: now + wait)
    }

    private func done(_ number: Int, _ current: Client.Current, _ reply: WorkReply) {
        counts[.answered] += 1
        count(current.work)
        note("client \(number): \(current.work) -> \(reply)")
        let fits = history.answered(
            current.work,
            reply,
            client: number,
            called: current.called,
            at: now
        )
        if !fits { return fail("\(current.work) was answered \(reply)") }
        over(number)
        if number == probe { probed() }
    }

    private func over(_ number: Int) {
        operations += 1
        counts[.operations] += 1
        clients[number].current = nil
        let wait = number == probe ? 0 : clients[number].random.between(options.clients.think)
        queue.schedule(.wake(client: number), at: now + wait)
    }

    private func count(_ work: Work) {
        switch work {
        case .key(_, .get, _): counts[.keyReads] += 1
        case .key: counts[.keyWrites] += 1
        case .session(_, .create): counts[.created] += 1
        case .session(_, .validate), .session(_, .list): counts[.validated] += 1
        case .session(_, .renew): counts[.renewed] += 1
        case .session(_, .rotate): counts[.rotated] += 1
        case .session(_, .set), .session(_, .take): counts[.fieldWrites] += 1
        case .session(_, .revoke), .session(_, .revokeAll): counts[.revoked] += 1
        }
    }
}
