namespace Kvasir.Files;

/// <summary>Settings of a model by key, from GGUF metadata or from a JSON object. Missing gives null; another type throws.</summary>
internal interface IConfigFields
{
    /// <summary>Takes a line for each piece of advice that cannot be followed.</summary>
    Notes Notes { get; }

    bool Contains(string key);

    string? String(string key);

    long? Integer(string key);

    /// <summary>Always finite.</summary>
    double? Number(string key);

    bool? Boolean(string key);

    KvasirException Missing(string key);

    KvasirException Bad(string key, string problem);

    KvasirException Unsupported(string key, string problem);
}
