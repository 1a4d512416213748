using System.Net;
using System.Text.Json;
using Kvasir.Models;
using Kvasir.Server.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Kvasir.Server.Test.Support;

/// <summary>A folder with the bundled model under several names, and servers of it.</summary>
internal sealed class ManyModels : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvasir-models-");

    public ManyModels(params string[] names) => Add(names);

    public string Folder => _folder.FullName;

    public void Add(params string[] names)
    {
        Assert.True(BundledModels.TryFind("stories260K", out var path));
        foreach (var name in names)
            File.Copy(path, Path.Combine(Folder, $"{name}.gguf"));
    }

    public Task<RunningServer> StartAsync(TimeProvider? clock = null, long memory = 1L << 30, Action<KvasirOptions>? configure = null) =>
        RunningServer.StartAsync(
            options =>
            {
                (options.Model, options.ModelsFolder, options.MemoryBytes, options.ContextTokens, options.KvMemoryBytes) =
                    ("", Folder, memory, 100_000, 64 << 20);
                configure?.Invoke(options);
            },
            clock);

    /// <summary>Behind its answer a request has its model for a moment yet.</summary>
    public static Task UntilLeftAsync(RunningServer server, string model)
    {
        var known = server.Services.GetRequiredService<ServedModels>().Named(model);
        return Soon.SoAsync(() => known.Users == 0, () => $"{model} has {known.Users} requests");
    }

    public static async Task AskAsync(RunningServer server, string model)
    {
        using var answer = await server.PostAsync("/v1/completions", $"{{\"model\":\"{model}\",\"prompt\":\"Once upon a time\",\"max_tokens\":3}}");
        Assert.Equal((HttpStatusCode.OK, model), (answer.StatusCode, model));
    }

    /// <summary>Every model with where it is.</summary>
    public static async Task<string> StatusAsync(RunningServer server)
    {
        using var list = JsonDocument.Parse(await server.Client.GetStringAsync(new Uri("/v1/models", UriKind.Relative)));
        return string.Join(", ", list.RootElement.GetProperty("data").EnumerateArray()
            .Select(static model => $"{model.GetProperty("id")} {model.GetProperty("meta").GetProperty("status")}"));
    }

    /// <summary>Asks again until a model is where it should be; fails after 10 s.</summary>
    public static Task UntilStatusAsync(RunningServer server, string words) => Soon.SeenAsync(
        () => StatusAsync(server), status => status.Contains(words, StringComparison.Ordinal), status => $"{status}, and not {words},");

    public void Dispose() => _folder.Delete(recursive: true);
}
