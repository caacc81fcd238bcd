// Every limit of the module in one place, each with its reason.

/// The bounds on rings, on commands that print them, and on what is sealed at once.
enum Limits {
    /// Keys of one ring. One is made in a rotation and one removed some time after, so a handful is
    /// the rule; a yearly rotation that never removes any has room for a lifetime.
    static let keysMax = 64
    /// A ring as text: 64 lines of 107 bytes, and three short ones, are below 7 KiB.
    static let ringBytesMax = 16 * 1024
    /// What a command may print. More than a ring can have, so that a command that prints something
    /// else as well is told so by the line, and not enough to hurt.
    static let commandOutputBytesMax = 64 * 1024
    /// How much of a command's complaints is kept: their end, which is where the reason stands.
    static let complaintBytesMax = 200
    /// A row of hexadecimal digits that is longer than a key's id is not repeated to anybody.
    static let shownDigitsMax = 16
    /// What GCM may seal under one nonce: 2^39 - 256 bits (NIST SP 800-38D, 5.2.1.1).
    static let plaintextBytesMax = (1 << 36) - 32
}
