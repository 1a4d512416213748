using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;

namespace Kvasir.Cli.Eval;

/// <summary>The files that an evaluation was asked for. They are looked at before anything is computed, and written behind it.</summary>
internal sealed class ReportFiles(TypedCommand typed)
{
    private static readonly (string Name, Func<IReadOnlyList<EvaluatedSample>, string?> Draw)[] Pictures =
    [
        ("pareto.svg", ReportPictures.Pareto),
        ("pareto-near-dense.svg", ReportPictures.ParetoNearDense),
        ("time.svg", ReportPictures.Time),
        ("bytes.svg", ReportPictures.Bytes),
        ("needle.svg", ReportPictures.Needle),
        ("layers.svg", ReportPictures.Layers),
    ];

    private readonly string? _json = PathOf(typed, EvalOutput.Json);
    private readonly string? _csv = PathOf(typed, EvalOutput.Csv);
    private readonly string? _page = PathOf(typed, EvalOutput.Page);
    private readonly string? _folder = typed.Find(EvalOutput.Pictures);

    /// <summary>Looks whether all of them can be written, and leaves everything as it was.</summary>
    /// <exception cref="KvasirException">One cannot be written.</exception>
    public void RequireWritable()
    {
        foreach (var path in new[] { _json, _csv, _page })
        {
            if (path is not null)
                ReportFile.RequireWritable(path);
        }

        if (_folder is not null)
            ReportFile.RequireFolder(_folder);
    }

    /// <summary>Writes all of them.</summary>
    /// <exception cref="KvasirException">One cannot be written any more.</exception>
    public void Write(EvaluationDocument document)
    {
        if (_json is not null)
            ReportFile.Write(_json, writer => writer.WriteLine(EvaluationJson.Text(document)));
        if (_csv is not null)
            ReportFile.Write(_csv, writer => EvaluationCsv.Write(document.Samples, writer));
        if (_page is not null)
            ReportFile.Write(_page, writer => EvaluationPage.Write(document, writer));
        if (_folder is not null)
            WritePictures(_folder, document.Samples);
    }

    private static void WritePictures(string folder, IReadOnlyList<EvaluatedSample> samples)
    {
        ReportFile.MakeFolder(folder);
        foreach (var (name, draw) in Pictures)
        {
            if (draw(samples) is { } picture)
                ReportFile.Write(Path.Combine(folder, name), writer => writer.Write(picture));
        }
    }

    private static string? PathOf(TypedCommand typed, ValueFlag<string> flag) => typed.Find(flag) is { } path and not EvalOutput.StandardOutput ? path : null;
}
