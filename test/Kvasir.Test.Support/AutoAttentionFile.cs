using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Kvasir.Test.Support;

/// <summary>Tests, and processes that they start, keep what automatic attention measures in a file of their own.</summary>
internal static class AutoAttentionFile
{
    public const string Variable = "KVASIR_AUTO_ATTENTION";

    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "The variable must be set before any test runs.")]
    public static void Name()
    {
        var folder = Directory.CreateTempSubdirectory("kvasir-test-");
        Environment.SetEnvironmentVariable(Variable, Path.Combine(folder.FullName, "auto-attention.json"));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => folder.Delete(recursive: true);
    }
}
