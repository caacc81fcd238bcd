// Between the death of a leader and the election of the next: who asks waits, and is not sent to
// the dead.

import RaftCore
import Replica
import Testing

@Suite
struct SuspectTests {
    @Test
    func requestsWaitWhenTheLeadersConnectionBreaks() {
        var group = Group()
        let old = group.elect()
        let other = group.followers(of: old)[0]
        group.crash(old)
        group.turn(other) { replica, _ in replica.lostContact(with: old) }
        let tokens = group.submit([.read, .write(store("a"))], at: other)
        group.settle()
        #expect(group.answers.words(tokens) == [nil, nil])
        let new = group.elect()
        group.tickAll(count: 5)
        #expect(new != old)
        for token in tokens {
            let answer = group.answers[token]?.answer
            #expect(answer?.target == new || answer?.word == .applied || answer?.word == .readable)
        }
        #expect(group.broken == nil)
    }

    @Test
    func aSuspectThatIsHeardAgainIsTheLeaderAgain() {
        var group = Group()
        let leader = group.elect()
        let other = group.followers(of: leader)[0]
        group.turn(other) { replica, _ in replica.lostContact(with: leader) }
        let token = group.submit(.read, at: other)
        #expect(group.answers[token] == nil)
        group.tickAll(count: 5)
        #expect(group.answers[token]?.answer.target == leader)
        #expect(group.broken == nil)
    }

    @Test
    func theLossOfAFollowerChangesNothing() {
        var group = Group()
        let leader = group.elect()
        let followers = group.followers(of: leader)
        group.turn(followers[0]) { replica, _ in replica.lostContact(with: followers[1]) }
        let token = group.submit(.read, at: followers[0])
        #expect(group.answers[token]?.answer.target == leader)
    }
}
