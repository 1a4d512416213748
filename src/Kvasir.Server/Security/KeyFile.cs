using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kvasir.Files;
using Kvasir.Ground;

namespace Kvasir.Server.Security;

/// <summary>Reads a file of keys: a line each, <c>name key [models=a,b] [priority=N] [running=N] [tenant=T]</c>; # begins a comment.</summary>
internal static class KeyFile
{
    private const int MostKeys = 10_000;
    private const int MostBytes = 4 << 20;
    private const int MostNameCharacters = 64;
    private const int LeastKeyCharacters = 8;
    private const int MostKeyCharacters = 512;
    private const int MostPriority = 100;
    private const int MostRunning = 1024;

    /// <exception cref="KvasirException">The file cannot be read, or a line is wrong: it is named by its number, and the key never.</exception>
    public static IReadOnlyList<AccessKey> Read(string path)
    {
        try
        {
            return Parse(PlainText.ReadFile(path, MostBytes).ReplaceLineEndings("\n").Split('\n'), path);
        }
        catch (KvasirException problem) when (problem.Error != KvasirError.BadOption)
        {
            throw new KvasirException(KvasirError.BadOption, $"the key file cannot be read: {problem.Message}", problem);
        }
    }

    private static List<AccessKey> Parse(string[] lines, string path)
    {
        var keys = new List<AccessKey>();
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].Split('#', 2)[0].Trim();
            if (line.Length == 0)
                continue;
            var where = string.Create(CultureInfo.InvariantCulture, $"{path}, line {i + 1}");
            var key = ParseLine(line, where);
            if (keys.Exists(other => other.Name == key.Name))
                throw Wrong(where, $"the name '{key.Name}' is there twice");
            if (keys.Find(other => other.Hash.AsSpan().SequenceEqual(key.Hash)) is { } same)
                throw Wrong(where, $"the key of '{key.Name}' is that of '{same.Name}' too");
            keys.Add(key);
        }

        return keys.Count switch
        {
            0 => throw new KvasirException(KvasirError.BadOption, $"{path} has no key: nobody could use the server"),
            > MostKeys => throw new KvasirException(KvasirError.BadOption, $"{path} has {keys.Count} keys; {MostKeys} are allowed"),
            _ => keys,
        };
    }

    private static AccessKey ParseLine(string line, string where)
    {
        var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2)
            throw Wrong(where, "a name and a key belong there");
        if (words[0].Length > MostNameCharacters || !words[0].All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw Wrong(where, $"a name has 1 to {MostNameCharacters} letters, digits, dots, dashes and underscores");
        if (words[1].Length is < LeastKeyCharacters or > MostKeyCharacters || !words[1].All(static c => c is > ' ' and <= '~'))
            throw Wrong(where, $"the key of '{words[0]}' has {words[1].Length} characters; {LeastKeyCharacters} to {MostKeyCharacters} of ASCII are allowed");
        var key = new AccessKey(words[0], SHA256.HashData(Encoding.UTF8.GetBytes(words[1])));
        return words.Skip(2).Aggregate(key, (made, word) => Set(made, word, where));
    }

    private static AccessKey Set(AccessKey key, string word, string where)
    {
        var parts = word.Split('=', 2);
        return (parts[0], parts.Length == 2 ? parts[1] : null) switch
        {
            ("models", { Length: > 0 } ids) => key with { Models = ids.Split(',', StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal) },
            ("tenant", { Length: > 0 and <= MostNameCharacters } tenant) => key with { Tenant = tenant },
            ("priority", { } text) => key with { Priority = Whole(text, -MostPriority, MostPriority, parts[0], where) },
            ("running", { } text) => key with { Running = Whole(text, 1, MostRunning, parts[0], where) },
            ("admin", null) => key with { IsAdmin = true },
            _ => throw Wrong(where, $"'{word}' is not models=, priority=, running=, tenant= or admin"),
        };
    }

    private static int Whole(string text, int least, int most, string name, string where) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw Wrong(where, $"{name} is '{text}'; {least} to {most} are allowed");

    private static KvasirException Wrong(string where, string what) => new(KvasirError.BadOption, $"{where}: {what}");
}
