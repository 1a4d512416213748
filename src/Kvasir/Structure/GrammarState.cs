namespace Kvasir.Structure;

/// <summary>All ways in which a text may go on: a state of the deterministic automaton, made when it is first met.</summary>
/// <param name="threads">Ascending by step, then stack.</param>
/// <param name="isComplete">Whether the text may end here.</param>
internal sealed class GrammarState(GrammarThread[] threads, bool isComplete, int classCount)
{
    /// <summary>Where bytes lead, by class; null where nobody has asked yet.</summary>
    public readonly GrammarState?[] Next = new GrammarState?[classCount];

    public GrammarThread[] Threads => threads;

    public bool IsComplete => isComplete;

    /// <summary>Whether nothing can follow: the text is either complete or wrong.</summary>
    public bool IsOver => threads.Length == 0;

    /// <summary>The state whose tokens are this one's, which differs only in what no token can reach; null where nobody has asked.</summary>
    public GrammarState? Typical { get; set; }

    /// <summary>Null where nobody has asked.</summary>
    public TokenMask? Mask { get; set; }
}
