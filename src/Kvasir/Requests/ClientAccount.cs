namespace Kvasir.Requests;

/// <summary>What one client has in an engine, and what was computed for it.</summary>
/// <param name="name">Null for those that name none, who are one client.</param>
internal sealed class ClientAccount(string? name)
{
    private int _waiting;
    private int _running;
    private long _computed;

    public string? Name => name;

    /// <summary>Sequences that wait, preempted ones among them.</summary>
    public int Waiting
    {
        get => Volatile.Read(ref _waiting);
        set => Volatile.Write(ref _waiting, value);
    }

    /// <summary>Sequences that compute.</summary>
    public int Running
    {
        get => Volatile.Read(ref _running);
        set => Volatile.Write(ref _running, value);
    }

    /// <summary>Tokens computed, from where it began.</summary>
    public long Computed => Volatile.Read(ref _computed);

    public bool IsActive => Waiting + Running > 0;

    public ClientFigures Figures => new(name, Running, Waiting, Computed);

    public void Charge(int tokens) => Interlocked.Add(ref _computed, tokens);

    /// <summary>Lets it begin no lower.</summary>
    public void Raise(long computed) => Volatile.Write(ref _computed, Math.Max(Computed, computed));
}
