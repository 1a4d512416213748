using Kvasir.Cli.Shared.Flags;
using Kvasir.Tiers;

namespace Kvasir.Cli.Cache;

/// <summary>A folder of <c>--kv-dir</c>, or a file of <c>--save-kv</c>.</summary>
internal static class CachePlace
{
    public static readonly Operand Path = new("PATH", "A folder that --kv-dir names, or a file that --save-kv wrote", FlagValues.Path);

    /// <summary>The store in a folder; null where the path is a file.</summary>
    /// <param name="readsOnly">Whether another process may own it.</param>
    /// <exception cref="KvasirException">There is neither, or it cannot be read.</exception>
    public static DiskPrefixStore? Open(string path, bool readsOnly)
    {
        if (File.Exists(path))
            return null;
        if (!Directory.Exists(path))
            throw new KvasirException(KvasirError.FileNotFound, $"there is neither a file nor a folder {path}");
        return DiskPrefixStore.IsIn(path)
            ? DiskPrefixStore.Open(path, new PrefixStoreOptions { ReadsOnly = readsOnly })
            : throw new KvasirException(KvasirError.FileNotFound, $"no keys and values were kept in {path}");
    }
}
