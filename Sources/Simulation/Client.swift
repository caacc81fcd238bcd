// A client as the real one behaves: one operation at a time; it follows redirects, tries another
// node where one does not answer, and sends the very same command again where it does not know what
// became of it.

/// One client's state.
struct Client {
    struct Current {
        var work: Work
        /// Attempts that were lost or had no leader, so far.
        var tries = 0
        /// Redirects in a row.
        var hops = 0
        /// When the attempt left.
        var called: UInt64 = 0
        /// A request is out.
        var isOut = false
    }

    let number: Int
    var random: Stream
    /// The node that answered last; 0: none yet.
    var guess = 0
    /// Counts its attempts: replies to earlier ones are too late.
    var attempt: UInt64 = 0
    var current: Current?
    /// What it does next, and then nothing; nil where it goes on for ever.
    var script: [Work]?

    init(number: Int, seed: UInt64) {
        self.number = number
        random = Stream(seed: seed, .clients, UInt64(number))
    }
}
