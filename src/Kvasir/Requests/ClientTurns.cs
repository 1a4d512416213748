using System.Collections.Concurrent;

namespace Kvasir.Requests;

/// <summary>
/// The clients of an engine and what was computed for each: the one with least goes next. A newcomer, or one that comes back, begins where the least of those
/// that have sequences is, so that nobody saves turns up by staying away. Whoever changes counts has the queue's lock; figures are read without.
/// </summary>
internal sealed class ClientTurns
{
    // Of clients that have nothing here: what they had computed is remembered.
    private const int MostRemembered = 1024;
    private readonly ConcurrentDictionary<string, ClientAccount> _named = new(StringComparer.Ordinal);
    private readonly ClientAccount _nameless = new(null);
    private long _leftAt;

    /// <summary>A sequence of a client comes to wait.</summary>
    public ClientAccount Enter(string? name)
    {
        var client = Find(name);
        if (!client.IsActive)
            client.Raise(LeastOfActive());
        client.Waiting++;
        return client;
    }

    /// <summary>The client, which may have nothing here.</summary>
    public ClientAccount Find(string? name)
    {
        if (name is null)
            return _nameless;
        if (_named.TryGetValue(name, out var known))
            return known;
        if (_named.Count >= MostRemembered)
            Forget();
        return _named[name] = new ClientAccount(name);
    }

    /// <summary>A count of a client's fell.</summary>
    public void Leave(ClientAccount client)
    {
        if (!client.IsActive && ActiveCount == 0)
            _leftAt = client.Computed;
    }

    /// <summary>Clients that have a sequence here.</summary>
    public int ActiveCount
    {
        get
        {
            var count = _nameless.IsActive ? 1 : 0;
            foreach (var (_, client) in _named)
                count += client.IsActive ? 1 : 0;
            return count;
        }
    }

    public ClientFigures[] Figures()
    {
        var figures = new List<ClientFigures>();
        if (_nameless.IsActive)
            figures.Add(_nameless.Figures);
        foreach (var (_, client) in _named)
        {
            if (client.IsActive)
                figures.Add(client.Figures);
        }

        return [.. figures];
    }

    private long LeastOfActive()
    {
        var least = _nameless.IsActive ? _nameless.Computed : long.MaxValue;
        foreach (var (_, client) in _named)
        {
            if (client.IsActive)
                least = Math.Min(least, client.Computed);
        }

        return least == long.MaxValue ? _leftAt : least;
    }

    private void Forget()
    {
        foreach (var (name, client) in _named)
        {
            if (!client.IsActive)
                _named.TryRemove(name, out _);
        }
    }
}

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
