using System.Text;
using Kvasir.Server.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Kvasir.Server.Routes;

/// <summary><c>/metrics</c>, for Prometheus and whoever reads its text.</summary>
internal sealed class MetricsRoute
{
    private readonly PrometheusExporter _exporter;

    /// <param name="engines">Is there from now on.</param>
    /// <param name="stores">So is this.</param>
    public MetricsRoute(PrometheusExporter exporter, EngineMeter engines, StoreMeter stores)
    {
        _exporter = exporter;
        ArgumentNullException.ThrowIfNull(engines);
        ArgumentNullException.ThrowIfNull(stores);
    }

    public async Task ShowAsync(HttpContext context)
    {
        var text = Encoding.UTF8.GetBytes(await _exporter.ScrapeAsync(context.RequestAborted).ConfigureAwait(false));
        context.Response.ContentType = PrometheusText.ContentType;
        context.Response.ContentLength = text.Length;
        await context.Response.BodyWriter.WriteAsync(text, context.RequestAborted).ConfigureAwait(false);
    }
}
