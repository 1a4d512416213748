using System.Net.Http.Headers;
using System.Text.Json;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.Shared;

/// <summary>A running server, asked by verbs that need no model of their own.</summary>
internal sealed class ServerClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly HttpClient _http;

    /// <exception cref="KvasirException">The address is none.</exception>
    public ServerClient(string address)
    {
        if (!Uri.TryCreate(address.TrimEnd('/') + "/", UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            throw new KvasirException(KvasirError.BadOption, $"{ServerFlags.Server.Name} is '{address}'; an address such as {ServerFlags.Usual} is wanted");
        _http = new HttpClient { BaseAddress = uri, Timeout = Patience };
        if (Environment.GetEnvironmentVariable(ServerFlags.KeyVariable) is { Length: > 0 } key)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
    }

    /// <summary>What a route answers.</summary>
    /// <exception cref="KvasirException">Nobody answers, or the server refuses; its own words.</exception>
    public JsonElement Get(string route)
    {
        try
        {
            using var answer = _http.Send(new HttpRequestMessage(HttpMethod.Get, route));
            using var body = new StreamReader(answer.Content.ReadAsStream());
            var text = body.ReadToEnd();
            if (!answer.IsSuccessStatusCode)
                throw new KvasirException(KvasirError.BadOption, $"{_http.BaseAddress} answers {route} with {(int)answer.StatusCode}: {Words(text)}");
            return JsonDocument.Parse(text).RootElement;
        }
        catch (Exception problem) when (problem is HttpRequestException or TaskCanceledException or JsonException)
        {
            throw new KvasirException(KvasirError.BadOption, $"no Kvasir server answers at {_http.BaseAddress}: {problem.Message}", problem);
        }
    }

    public void Dispose() => _http.Dispose();

    // The message where the dialect has one, else what there is.
    private static string Words(string text)
    {
        try
        {
            var error = JsonDocument.Parse(text).RootElement.GetProperty("error");
            return Printable.Line(error.ValueKind == JsonValueKind.Object ? error.GetProperty("message").GetString()! : error.ToString());
        }
        catch (Exception other) when (other is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            return Printable.Line(text.Length > 200 ? text[..200] : text);
        }
    }
}
