using Kvasir.Files;
using Kvasir.Models.Configs;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Kvasir.Models;

/// <summary>
/// What tells a model from any other by what its weights are, in a second or less: a hash of its sizes, of the table of its tensors, and of both ends of each.
/// Tokenizer and chat template are no part of it, nor is where its files lie.
/// </summary>
internal static class ModelFingerprint
{
    private const int EndBytes = 64 << 10;

    /// <param name="releases">Whether what was touched of mapped files leaves memory again.</param>
    public static string Of(ITensorSource source, ModelConfig config, bool releases = false)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(hash, (config with { Name = "", Rope = config.Rope with { FrequencyFactors = null, LongFrequencyFactors = null } }).ToString());
        if (config.ValueDim != config.HeadDim)
            Add(hash, $"values of {config.ValueDim}");
        Add(hash, source.Origin ?? "");
        foreach (var name in source.TensorNames.Order(StringComparer.Ordinal))
        {
            Add(hash, name);
            if (source.Origin is null && (source.TryFindBytes(name, out var stored) || source.TryFind(name, out stored)))
            {
                Add(hash, stored);
                if (releases)
                    source.Release(stored);
            }
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void Add(IncrementalHash hash, in StoredTensor stored)
    {
        Add(hash, $"{stored.Type} {string.Join('x', stored.Shape)} {stored.View.Bytes}");
        var bytes = (int)Math.Min(stored.View.Bytes, EndBytes);
        hash.AppendData(stored.View.Span(0, bytes));
        hash.AppendData(stored.View.Span(stored.View.Bytes - bytes, bytes));
    }

    // With its length before it: no two lists read the same.
    private static void Add(IncrementalHash hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
