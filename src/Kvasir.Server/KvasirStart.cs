using Kvasir.Server.Hosting;

namespace Kvasir.Server;

/// <summary>How far the server has come, for its host.</summary>
public sealed class KvasirStart
{
    private readonly ServedModels _models;

    internal KvasirStart(ServedModels models) => _models = models;

    /// <summary>Completes when the model is there; fails as its loading does.</summary>
    public Task Loaded => _models.Loaded;

    /// <summary>The model's name for clients; null while it loads.</summary>
    public string? ModelId => _models.Ready?.Id;

    /// <summary>For its plan and counters; null while the model loads.</summary>
    public Engine? Engine => _models.Ready?.Engine;
}
