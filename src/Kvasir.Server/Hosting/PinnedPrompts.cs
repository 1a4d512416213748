namespace Kvasir.Server.Hosting;

/// <summary>Prompts whose rows stay in memory because somebody with the right to do so asked for that. For any thread.</summary>
internal sealed class PinnedPrompts(ServedModels models, TimeProvider clock)
{
    private const int MostPins = 1024;
    private readonly Lock _lock = new();
    private readonly List<PinnedPrompt> _all = [];

    /// <summary>Those that are there, oldest first.</summary>
    /// <param name="tenant">Whose; null for nobody's, where the server has no keys.</param>
    public IReadOnlyList<PinnedPrompt> Of(string? tenant)
    {
        lock (_lock)
        {
            DropGone();
            return [.. _all.Where(pinned => pinned.Tenant == tenant)];
        }
    }

    /// <summary>False when there are as many as may be.</summary>
    public bool TryAdd(PinnedPrompt pinned)
    {
        lock (_lock)
        {
            DropGone();
            if (_all.Count >= MostPins)
                return false;
            _all.Add(pinned);
            return true;
        }
    }

    // Those of a model that was taken out of memory went with it; an engine that rests has not looked at the time.
    private void DropGone()
    {
        var (served, now) = (models.InMemory, clock.GetUtcNow());
        _all.RemoveAll(pinned => pinned.Pin.IsReleased || pinned.Pin.Until <= now || !served.Contains(pinned.Model));
    }
}

/// <param name="Id">As clients know it.</param>
/// <param name="Name">As whoever asked for it calls it; null for nothing.</param>
/// <param name="Tenant">Whose requests find it.</param>
internal sealed record PinnedPrompt(string Id, string? Name, string? Tenant, ServedModel Model, PrefixPin Pin, DateTimeOffset CreatedAt);
