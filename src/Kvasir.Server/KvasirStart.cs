using Kvasir.Server.Hosting;
using Kvasir.Server.Security;
using Kvasir.Tiers;

namespace Kvasir.Server;

/// <summary>How far the server has come, for its host.</summary>
public sealed class KvasirStart
{
    private readonly ServedModels _models;
    private readonly KeyRing _keys;

    internal KvasirStart(ServedModels models, PrefixStores stores, KeyRing keys) => (_models, Stores, _keys) = (models, stores.All, keys);

    /// <summary>Completes when all models are there that the server was started with, or at once where there are none; fails as the first that does.</summary>
    public Task Loaded => _models.Loaded;

    /// <summary>
    /// Completes with the name of a model whose engine failed three times within a minute, what requests bring along not counted: something is wrong that
    /// time does not mend. The server goes on, and says so at <c>/health</c>; <c>kvasir serve</c> ends with exit code 70, so that whoever watches it starts
    /// it again.
    /// </summary>
    public Task<string> Failed => _models.Failed;

    /// <summary>Where beginnings of prompts are kept: whether that goes well, say. None where they are kept nowhere.</summary>
    public IReadOnlyList<IPrefixStore> Stores { get; }

    /// <summary>Reads the key file again.</summary>
    /// <returns>Why the keys stay as they were; null where they do not.</returns>
    public string? ReloadKeys() => _keys.Reload();

    /// <summary>Reads the folder of models again.</summary>
    /// <returns>Why some that lie there are not served: others are called as they.</returns>
    public IReadOnlyList<string> ReloadModels() => _models.ReadFolder();

    /// <summary>The name for clients of the first model in memory; null while none is there.</summary>
    public string? ModelId => _models.Ready?.Id;

    /// <summary>Every name that a client may give.</summary>
    public IReadOnlyList<string> ModelIds => [.. _models.Known.Select(static known => known.Id)];

    /// <summary>That of the first model in memory, for its plan and counters; null while none is there.</summary>
    public Engine? Engine => _models.Ready?.Engine;

    /// <summary>Whether the first model in memory has a chat template; true while none is there.</summary>
    public bool Chats => _models.Ready is not { Template: null };

    /// <summary>Those of all models in memory, by their names for clients.</summary>
    public IReadOnlyDictionary<string, Engine> Engines => _models.InMemory.ToDictionary(static model => model.Id, static model => model.Engine);
}
