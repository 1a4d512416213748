using Kvasir.Models;
using Kvasir.Server.Telemetry;

namespace Kvasir.Server.Hosting;

/// <summary>Where a model is: on disk alone, on its way, or in memory.</summary>
internal enum ModelStatus
{
    Unloaded,
    Loading,
    Loaded,
    Failed,
}

/// <summary>A model that clients may name, whether or not it is in memory. <see cref="ServedModels"/> has the lock for what changes.</summary>
/// <param name="found">Where it lies.</param>
/// <param name="id">Its name for clients.</param>
/// <param name="isNamed">Whether whoever started the server named it: then it is loaded at once, and stays.</param>
/// <param name="clock">By which faults come often or not.</param>
internal sealed class KnownModel(FoundModel found, string id, bool isNamed, TimeProvider clock)
{
    public FoundModel Found => found;

    public string Id => id;

    public bool IsNamed => isNamed;

    /// <summary>Makes it, in place of reading files; null for one that is read.</summary>
    public Func<ModelOptions, Model>? Make { get; init; }

    /// <summary>Null while it is not in memory.</summary>
    public ServedModel? Served { get; set; }

    /// <summary>Null while nobody loads it.</summary>
    public Task<ServedModel>? Loading { get; set; }

    /// <summary>Whether it is loaded, and computes its first rows for nobody.</summary>
    public bool IsWarming { get; set; }

    /// <summary>What share is done of its loading and warming.</summary>
    public double Progress { get; set; }

    /// <summary>When its loading failed; null where it did not.</summary>
    public long? FailedAt { get; set; }

    /// <summary>Requests that have it.</summary>
    public int Users { get; set; }

    /// <summary>When the last of them left it, on the server's clock.</summary>
    public long LeftAt { get; set; }

    /// <summary>Whether a request has said how long it stays; else the server's options do.</summary>
    public bool HasOwnStay { get; set; }

    /// <summary>How long that is; null for ever.</summary>
    public TimeSpan? Stay { get; set; }

    /// <summary>When it goes if nobody asks for it; null for never, or not yet.</summary>
    public DateTimeOffset? Until { get; set; }

    /// <summary>What its engines had counted that are gone: counts never go down.</summary>
    public EngineTotals Past { get; set; } = new();

    /// <summary>How often its engines have failed.</summary>
    public FaultTally Faults { get; } = new(clock);

    /// <summary>Whether they fail again and again: three times within a minute.</summary>
    public bool IsFailing => Faults.IsReached || Served?.Loop.State == EngineState.Failing;

    /// <summary>Whether its engine cannot go on.</summary>
    public bool IsBroken => Served?.Loop.State == EngineState.Broken;

    public ModelStatus Status => Served is not null ? ModelStatus.Loaded
        : Loading is not null ? ModelStatus.Loading
        : FailedAt is not null ? ModelStatus.Failed
        : ModelStatus.Unloaded;

    /// <summary>Nobody finds it in memory any more; what its engine has counted stays.</summary>
    public ServedModel? TakeOut()
    {
        var served = Served;
        (Served, Until, Past) = (null, null, served is null ? Past : Past.With(served.Engine.Figures));
        return served;
    }

    /// <summary>Whether it is read from there.</summary>
    public bool LiesAt(string path) => Make is null && Path.GetFullPath(path) == Path.GetFullPath(found.Path);

    /// <summary>Whether a client means this model.</summary>
    public bool IsCalled(string name) => IsOf(id, name) || Aliases.Any(alias => IsOf(alias, name));

    /// <summary>Other names by which clients may call it.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    private static bool IsOf(string known, string name) => name == known || name == $"{known}:latest";
}
