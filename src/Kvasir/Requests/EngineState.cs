namespace Kvasir;

/// <summary>Whether an <see cref="EngineLoop"/> serves.</summary>
public enum EngineState
{
    /// <summary>It takes requests and answers them.</summary>
    Serving,

    /// <summary>It takes none, and answers those that it has: <see cref="EngineLoop.DrainAsync"/>.</summary>
    Draining,

    /// <summary>Three steps failed within a minute, or the cache does not balance: whoever owns it should make another.</summary>
    Failing,

    /// <summary>It was disposed.</summary>
    Closed,
}
