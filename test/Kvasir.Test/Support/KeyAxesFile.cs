using Kvasir.Attention;
using Kvasir.Attention.Indexes;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Support;

/// <summary>A calibration for policies that need one, in the shape of stories260K: turned and mirrored axes.</summary>
internal static class KeyAxesFile
{
    private static readonly Lazy<string> Written = new(static () =>
    {
        const int Dim = 8;
        var axes = new float[5 * 4 * Dim * Dim];
        for (var i = 0; i < axes.Length; i += Dim)
            axes[i + (i / Dim + i / (Dim * Dim)) % Dim] = i % 3 == 0 ? -1 : 1;
        var path = Path.Combine(Path.GetTempPath(), $"kvasir-{Guid.NewGuid():N}.safetensors");
        new KeyAxes(5, 4, Dim, axes).Save(path, "stories260K", 1);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => File.Delete(path);
        return path;
    });

    /// <summary>As <see cref="PolicyCatalog.Parse"/>, with the file where a policy needs one.</summary>
    public static AttentionPolicy Parse(string policy) =>
        PolicyCatalog.Parse(policy.Split(':')[0] != "loki" ? policy : $"{policy}{(policy.Contains(':', StringComparison.Ordinal) ? "," : ":")}file={Written.Value}");
}
