// The bounds of the client that nobody sets, each with its reason.

enum Limits {
    /// Redirections that a call follows without a pause. One is usual, two while a leader changes;
    /// more means that nodes disagree, and a pause lets them agree.
    static let redirectionsMax = 5
    /// Nodes that the router keeps. Far above any cluster; a server that names more is wrong.
    static let nodesMax = 1_024
    /// Ranges in one answer to CLUSTER SLOTS: every slot on its own would be so many.
    static let rangesMax = 16_384
    /// The first pause between two attempts. A leader that just changed is known within some
    /// milliseconds.
    static let backoffFirst: Duration = .milliseconds(10)
    /// The longest pause between two attempts: elections take a second or so, and a call should not
    /// sleep through their end.
    static let backoffMax: Duration = .milliseconds(250)
    /// The shortest pause after a server said that it has too much to do.
    static let backoffOverloaded: Duration = .milliseconds(50)
    /// The longest time that a node is left alone after it could not be reached.
    static let reconnectMax: Duration = .seconds(1)
    /// The first such time; it doubles with each failure.
    static let reconnectFirst: Duration = .milliseconds(50)
    /// How long one node has to answer CLUSTER SLOTS, connect included, before the next is asked.
    static let mapTimeout: Duration = .milliseconds(700)
    /// The shortest time between two fetches of the map: a storm of redirections asks once.
    static let mapIntervalMin: Duration = .milliseconds(50)
    /// The time until the next fetch after one to which no node had an answer.
    static let mapRetryInterval: Duration = .milliseconds(250)
    /// The longest deadline of a call that is taken at its word: a hundred years.
    static let deadlineMax: Duration = .seconds(100 * 366 * 86_400)
}
