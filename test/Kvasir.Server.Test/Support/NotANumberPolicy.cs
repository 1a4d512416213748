using System.Runtime.CompilerServices;
using Kvasir.Attention;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Attention.Zones;
using Kvasir.Kernels.Attention;

namespace Kvasir.Server.Test.Support;

/// <summary>A policy whose rows weigh nothing that is a number: logits of the sequences under it are none.</summary>
internal sealed class NotANumberPolicy(PolicySpec spec) : SparsePolicy(spec)
{
    public const string EntryName = "not-a-number";

    private static readonly PolicyEntry Entry = new(
        EntryName, "spoils", "nowhere", "not-a-number:min-context=0", static spec => new NotANumberPolicy(spec),
        ExactZones.Options(sinks: 1, recent: 1, denseLayers: "none"));

    [ModuleInitializer]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "CA2255", Justification = "A test assembly has no entry point of its own to register in.")]
    internal static void Register() => PolicyCatalog.Register(Entry);

    protected override ZonedSelector CreateSparse(HeadPlace place) => new Spoiler(Zones);

    private sealed class Spoiler(ExactZones zones) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            for (var row = middle.First; round == 0 && row < middle.End; row++)
                selection.Add(row);
            return round == 0;
        }

        protected override void ReweightChosen(in RowSet rows, int listed, Span<float> scores, int stride) => scores.Fill(float.NaN);
    }
}
