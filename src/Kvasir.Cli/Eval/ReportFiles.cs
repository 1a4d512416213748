using Kvasir.Cli.Shared;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Results;

namespace Kvasir.Cli.Eval;

/// <summary>The files that an evaluation was asked for. All are opened before anything is computed.</summary>
internal sealed class ReportFiles : IDisposable
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

    private readonly FileStream? _json;
    private readonly FileStream? _csv;
    private readonly FileStream? _page;
    private readonly string? _folder;

    /// <exception cref="KvasirException">One cannot be written.</exception>
    public ReportFiles(Typed typed)
    {
        try
        {
            (_json, _csv) = (Open(typed.Find(EvalOutput.Json)), Open(typed.Find(EvalOutput.Csv)));
            (_page, _folder) = (Open(typed.Find(EvalOutput.Page)), typed.Find(EvalOutput.Pictures));
            if (_folder is not null)
                MakeFolder(_folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Writes all of them, once.</summary>
    /// <exception cref="KvasirException">One cannot be written any more.</exception>
    public void Write(EvaluationDocument document)
    {
        if (_json is not null)
            ReportFile.Write(_json, writer => writer.WriteLine(EvaluationJson.Text(document)));
        if (_csv is not null)
            ReportFile.Write(_csv, writer => EvaluationCsv.Write(document.Samples, writer));
        if (_page is not null)
            ReportFile.Write(_page, writer => EvaluationPage.Write(document, writer));
        foreach (var (name, draw) in _folder is null ? [] : Pictures)
        {
            if (draw(document.Samples) is not { } picture)
                continue;
            using var file = ReportFile.Open(Path.Combine(_folder!, name));
            ReportFile.Write(file, writer => writer.Write(picture));
        }
    }

    public void Dispose()
    {
        _json?.Dispose();
        _csv?.Dispose();
        _page?.Dispose();
    }

    private static FileStream? Open(string? path) => path is null or EvalOutput.StandardOutput ? null : ReportFile.Open(path);

    private static void MakeFolder(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            using var trial = new FileStream(Path.Combine(path, Path.GetRandomFileName()), new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose });
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new KvasirException(KvasirError.FileNotFound, $"{path} cannot be written: {problem.Message}", problem);
        }
    }
}
