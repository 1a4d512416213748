using System.Diagnostics.CodeAnalysis;
using Kvasir.Kernels.Attention.Formats;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How keys and values are stored. Help lists the formats, and more can be registered.</summary>
internal static class KvFlags
{
    public static ValueFlag<KvFormat> Both => new(
        "--kv",
        $"How keys and values are stored: {string.Join(", ", KvFormat.Table.Select(static row => $"{row.Name} ({row.Help})"))}; or keys=FORMAT,values=FORMAT",
        Value($"{KvFormat.Names}, or keys=FORMAT,values=FORMAT", static _ => true))
    { Default = new EngineOptions().Kv.Name, Elsewhere = ["--kv-cache-dtype"] };

    public static ValueFlag<KvFormat> Keys => Of("--kv-keys", "How keys are stored", ["--cache-type-k", "-ctk"]);

    public static ValueFlag<KvFormat> Values => Of("--kv-values", "How values are stored", ["--cache-type-v", "-ctv"]);

    public static IReadOnlyList<Flag> All => [Both, Keys, Values];

    public static KvFormat Read(TypedCommand typed)
    {
        var both = typed.Get(Both);
        return KvFormat.Pair(typed.Find(Keys) ?? both, typed.Find(Values) ?? both);
    }

    private static ValueFlag<KvFormat> Of(string name, string help, string[] elsewhere) =>
        new(name, help, Value(KvFormat.Names, KvFormat.Table.Contains)) { Otherwise = "as --kv says", Elsewhere = elsewhere };

    private static FlagValue<KvFormat> Value(string allowed, Func<KvFormat, bool> suits) => new(
        "FORMAT", allowed, (string text, [MaybeNullWhen(false)] out KvFormat format) => (format = KvFormat.Find(text)) is not null && suits(format))
    {
        Choices = static () => [.. KvFormat.Table.Select(static row => row.Name)],
    };
}
