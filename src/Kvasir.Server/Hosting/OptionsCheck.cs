using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Server.Security;
using Microsoft.Extensions.Options;

namespace Kvasir.Server.Hosting;

/// <summary>Holds the server's options to their ranges before anything starts.</summary>
internal sealed class OptionsCheck : IValidateOptions<KvasirOptions>
{
    private const int MostSeconds = 24 * 60 * 60;

    public ValidateOptionsResult Validate(string? name, KvasirOptions options)
    {
        string?[] faults =
        [
            Range(options.ModelKeepAliveSeconds, 0, MostSeconds, nameof(options.ModelKeepAliveSeconds)),
            Range(options.LoadTimeoutSeconds, 1, MostSeconds, nameof(options.LoadTimeoutSeconds)),
            options.ModelsFolder is { } folder && !Directory.Exists(folder) ? $"ModelsFolder is '{folder}', and there is no such folder" : null,
            options.Named.Count == 0 && options.ModelsFolder is null || options.MoreModels.Contains("")
                ? "Model is empty; it names a GGUF file, a folder with a model, or a bundled model" : null,
            options.ModelId is { } id && options.Named.Count > 1
                ? $"ModelId is '{id}', and {options.Named.Count} models are named: an alias says which of them is called so" : null,
            options.GivenModel() is not null && options.Model.Length == 0 ? "Model is empty; it names the model that is made" : null,
            Range(options.QueueTimeoutSeconds, 0, MostSeconds, nameof(options.QueueTimeoutSeconds)),
            Range(options.RequestTimeoutSeconds, 0, MostSeconds, nameof(options.RequestTimeoutSeconds)),
            Range(options.MaxChoices, 1, 128, nameof(options.MaxChoices)),
            Range(options.KeepAliveSeconds, 1, 60, nameof(options.KeepAliveSeconds)),
            Range(options.JsonKeepAliveSeconds, 0, 3600, nameof(options.JsonKeepAliveSeconds)),
            Range(options.WriteTimeoutSeconds, 1, 3600, nameof(options.WriteTimeoutSeconds)),
            Range(options.DrainSeconds, 0, 3600, nameof(options.DrainSeconds)),
            Range(options.MaxBodyBytes, 1024, 1 << 30, nameof(options.MaxBodyBytes)),
            options.OtlpEndpoint is { } otlp && !(Uri.TryCreate(otlp, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https")
                ? $"OtlpEndpoint is '{otlp}'; a URL such as http://localhost:4317 is wanted"
                : null,
            options.PrefixRedis is { } redis ? Refusal(() => PrefixStores.Redis(redis, TimeProvider.System).Dispose()) : null,
            Range(options.PrefixBytes, 1 << 20, long.MaxValue, nameof(options.PrefixBytes)),
            options.KeyFile is { } keys ? Refusal(() => KeyFile.Read(keys)) : null,
            options.CorsOrigins.Select(OriginRule.Fault).FirstOrDefault(static fault => fault is not null) is { } origin
                ? $"{nameof(options.CorsOrigins)}: {origin}" : null,
            KvFormat.Find(options.Kv) is null ? $"Kv is '{options.Kv}'; {KvFormat.Names} are known" : null,
            Policy(options.Attention),
            Engine(options),
        ];
        var found = faults.OfType<string>().ToArray();
        return found.Length == 0 ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(found.Select(static fault => $"{KvasirOptions.Section}: {fault}"));
    }

    private static string? Range(long value, long least, long most, string name) =>
        value >= least && value <= most ? null : $"{name} is {value}; {least} to {most} are allowed";

    private static string? Policy(string attention) => attention == AutoAttention.Name ? null : Refusal(() => PolicyCatalog.Spec(attention));

    private static string? Engine(KvasirOptions options) => KvFormat.Find(options.Kv) is null ? null : Refusal(() => ServedModel.EngineOf(options).Validate());

    private static string? Refusal(Action check)
    {
        try
        {
            check();
            return null;
        }
        catch (KvasirException refusal)
        {
            return refusal.Message;
        }
    }
}
