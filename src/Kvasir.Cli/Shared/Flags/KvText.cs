using Kvasir.Kernels.Attention;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>How the types of the KV cache are spelled.</summary>
internal static class KvText
{
    private static readonly KvType[] Types = [KvType.BF16, KvType.Q8, KvType.Int8, KvType.Int8Channel, KvType.F32];

    public static readonly FlagValue<KvType> Value = FlagValues.OneOf("TYPE", Array.ConvertAll(Types, static type => (Name(type), type)));

    public static string Name(KvType type) => type == KvType.Int8Channel ? "int8-channel" : type.ToString().ToLowerInvariant();
}
