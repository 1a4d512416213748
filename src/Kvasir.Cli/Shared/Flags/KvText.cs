using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How the types of the KV cache are spelled.</summary>
internal static class KvText
{
    public const string Known = "bf16, q8, int8, int8-channel or f32";

    public static string Name(KvType type) => type == KvType.Int8Channel ? "int8-channel" : type.ToString().ToLowerInvariant();

    /// <summary>Null for what is none.</summary>
    public static KvType? Parse(string text)
    {
        foreach (var type in Enum.GetValues<KvType>())
        {
            if (Name(type).Equals(text, StringComparison.OrdinalIgnoreCase))
                return type;
        }

        return null;
    }
}
