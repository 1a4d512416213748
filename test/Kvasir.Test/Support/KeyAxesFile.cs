using Kvasir.Attention;
using Kvasir.Attention.Dropping;
using Kvasir.Attention.Indexes;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Support;

/// <summary>Calibrations for policies that need one, in the shape of stories260K: turned and mirrored axes, and layers that keep more the lower they are.</summary>
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

    private static readonly Lazy<string> Budgets = new(static () =>
    {
        var shares = new double[5 * LayerBudgets.Steps];
        for (var i = 0; i < shares.Length; i++)
            shares[i] = Math.Pow((1 + i % LayerBudgets.Steps) / (double)LayerBudgets.Steps, 0.6 + 0.2 * (i / LayerBudgets.Steps));
        var path = Path.Combine(Path.GetTempPath(), $"kvasir-{Guid.NewGuid():N}.json");
        new LayerBudgets("stories260K", 5, 4, 8, shares).Save(path, 1, 1);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => File.Delete(path);
        return path;
    });

    /// <summary>As <see cref="PolicyCatalog.Parse"/>, with the file where a policy needs one.</summary>
    public static AttentionPolicy Parse(string policy) => policy.Split(':')[0] switch
    {
        "loki" => PolicyCatalog.Parse(WithFile(policy, Written.Value)),
        "xkv" => PolicyCatalog.Parse(WithFile(policy, Budgets.Value)),
        _ => PolicyCatalog.Parse(policy),
    };

    private static string WithFile(string policy, string path) => $"{policy}{(policy.Contains(':', StringComparison.Ordinal) ? "," : ":")}file={path}";
}
