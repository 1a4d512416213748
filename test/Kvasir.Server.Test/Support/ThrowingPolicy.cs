using System.Runtime.CompilerServices;
using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;

namespace Kvasir.Server.Test.Support;

/// <summary>A policy that fails when it is to choose: a fault of the engine's, as a client meets it.</summary>
internal sealed class ThrowingPolicy(PolicySpec spec) : SparsePolicy(spec)
{
    public const string EntryName = "throwing";

    private static readonly PolicyEntry Entry = new(
        EntryName, "fails", "nowhere", "throwing:min-context=0", static spec => new ThrowingPolicy(spec), ExactZones.Options(sinks: 1, recent: 1, denseLayers: "none"));

    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "A test assembly has no entry point of its own to register in.")]
    internal static void Register() => PolicyCatalog.Register(Entry);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Thrower(Zones);

    private sealed class Thrower(ExactZones zones) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection) =>
            throw new InvalidTimeZoneException("a secret of the engine");
    }
}
