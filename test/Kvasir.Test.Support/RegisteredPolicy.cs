using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Kvasir.Attention.Policies;
using OwnPolicy;

namespace Kvasir.Test.Support;

/// <summary>Adds the sample's policy to the catalogue, so that every test that walks the catalogue holds for a policy of another assembly too.</summary>
internal static class RegisteredPolicy
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "A test assembly has no entry point of its own to register in.")]
    internal static void Register() => PolicyCatalog.Register(EveryOther.Entry);
}
