using System.Text.Json;
using Kvasir.Server.Hosting;

namespace Kvasir.Server.OpenAi;

/// <summary>What every body and every chunk of an answer begins with.</summary>
internal sealed class AnswerName(DateTimeOffset createdAt)
{
    private const string Letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private readonly string _letters = Fresh();
    private string? _id;

    /// <summary>24 letters and digits that nobody had before.</summary>
    public static string Fresh() => System.Security.Cryptography.RandomNumberGenerator.GetString(Letters, 24);

    public void Write(Utf8JsonWriter json, string prefix, string name, ServedModel model)
    {
        json.WriteString("id", _id ??= prefix + _letters);
        json.WriteString("object", name);
        json.WriteNumber("created", createdAt.ToUnixTimeSeconds());
        json.WriteString("model", model.Id);
        json.WriteString("system_fingerprint", model.Fingerprint);
    }
}
